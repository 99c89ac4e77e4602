"""The people of this station: users with a role, one-time passwords, and the rule that an installer always remains.

A one-time password is known to whoever made it (a label, another installer): its owner has to choose another at once.
"""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils.crypto import get_random_string
from django.utils.translation import gettext

from station.models import OneTimePassword
from station.roles import Role, assign, role_of

#: Without letters and digits that look alike: people type it from a screen or a label.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class LastInstaller(ValueError):
    """Without an installer nobody could set the station up any more."""

    def __init__(self) -> None:
        super().__init__(gettext("This is the last installer of the station. Make another user installer first."))


def one_time_password() -> str:
    """Four groups of four, 79 bit from the source of randomness of the system."""
    return "-".join(get_random_string(4, _LETTERS) for _ in range(4))


def must_choose_a_password(user: User) -> bool:
    """The present one was made by somebody else."""
    return OneTimePassword.objects.filter(user=user).exists()


def give_one_time_password(user: User) -> str:
    """A new password that has to be changed at the first login; whoever is signed in with the old one is signed out."""
    password = one_time_password()
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        must_choose_another(user)
    return password


def must_choose_another(user: User) -> None:
    """The present password was made by somebody else: it opens only the page that asks for an own one."""
    OneTimePassword.objects.get_or_create(user=user)


def own_password_was_set(user: User) -> None:
    """The person chose a password of their own."""
    OneTimePassword.objects.filter(user=user).delete()


def add(name: str, role: Role) -> tuple[User, str]:
    """A new user and the one-time password, which is shown once."""
    with transaction.atomic():
        user = User.objects.create_user(name)
        assign(user, role)
        return user, give_one_time_password(user)


def change_role(user: User, role: Role) -> None:
    """Another role.

    Raises:
        LastInstaller: nobody would be left to set the station up.
    """
    with transaction.atomic():
        if role < Role.INSTALLER and _is_last_installer(user):
            raise LastInstaller
        user.is_superuser = user.is_superuser and role >= Role.MANUFACTURER
        user.save(update_fields=["is_superuser"])
        assign(user, role)


def remove(user: User) -> None:
    """The user is gone; open sessions end with the next request.

    Raises:
        LastInstaller: nobody would be left to set the station up.
    """
    with transaction.atomic():
        if _is_last_installer(user):
            raise LastInstaller
        user.delete()


def _is_last_installer(user: User) -> bool:
    if role_of(user) < Role.INSTALLER:
        return False
    able = [role.word for role in Role if role >= Role.INSTALLER]
    groups = Group.objects.filter(name__in=able)
    others = User.objects.filter(is_active=True).exclude(pk=user.pk)
    return not (others.filter(is_superuser=True).exists() or others.filter(groups__in=groups).exists())
