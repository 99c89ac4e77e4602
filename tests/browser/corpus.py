"""Markup that strangers try to bring into the pages."""

#: What strangers try; each would open a dialog if it became more than text.
CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'-alert(3)-'",
    "</textarea></title><svg/onload=alert(4)>",
    "javascript:alert(5)",
    '<iframe srcdoc="<script>parent.alert(6)</script>">',
    "{{constructor.constructor('alert(7)')()}}",
]
