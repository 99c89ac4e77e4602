"""A station with a page that never comes back; apart from tests/station, whose import sets Django up."""
