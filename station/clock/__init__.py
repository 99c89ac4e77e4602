"""The clock of this computer: what chrony or systemd-timesyncd and the battery clock say, and setting it.

chrony.py and timedate.py speak to the services, system.py is both behind one class; desk.py tells the charge point what
was seen, and lets the system's clock follow the station's.
"""
