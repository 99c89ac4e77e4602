"""The appliance: Django, Channels and Celery around the charge point and the hardware."""

__version__ = "0.1.0"
