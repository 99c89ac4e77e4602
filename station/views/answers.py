"""How views tell what became of an order, and hand out a file."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from station.ask import Reply


def tell(request: HttpRequest, reply: Reply) -> None:
    """The next page begins with it."""
    messages.add_message(request, messages.SUCCESS if reply.ok else messages.WARNING, reply.text)


def zip_file(content: bytes, name: str) -> HttpResponse:
    """A ZIP to be kept by whoever asked, and by nobody in between."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(content, content_type="application/zip", headers=headers)
