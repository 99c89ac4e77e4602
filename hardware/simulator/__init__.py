"""A charging box that does not exist: a separate process that speaks the very bytes of the real devices.

It serves pseudo-terminals and an HTTP control. The drivers do not know that it is one (hardware.md, section 10).
"""
