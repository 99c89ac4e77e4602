"""How the station reaches the world and is reached: NetworkManager and ModemManager behind one class, and the rules.

rules.py, profiles.py and policy.py are pure; over_dbus.py talks to the two services; desk.py runs a change with its
way back, kept.py is what lasts.
"""
