"""Who may do what: four roles, each may all that the one before may. Every page and command names the role it needs.

A role is a Django group of that name; the one who has the shell of the station (`createsuperuser`) is its manufacturer.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

Page = Callable[..., HttpResponseBase]


class Role(IntEnum):
    """In the order of trust; NOBODY is a user without a role, who sees no page."""

    NOBODY = 0
    VIEWER = 1
    OPERATOR = 2
    INSTALLER = 3
    MANUFACTURER = 4

    @property
    def word(self) -> str:
        """As it is stored, and told to programs."""
        return self.name.lower()

    @property
    def shown(self) -> str:
        """As people read it."""
        return str(_SHOWN[self])


_SHOWN: dict[Role, Promise] = {
    Role.NOBODY: pgettext_lazy("role", "no role"),
    Role.VIEWER: pgettext_lazy("role", "viewer"),
    Role.OPERATOR: pgettext_lazy("role", "operator"),
    Role.INSTALLER: pgettext_lazy("role", "installer"),
    Role.MANUFACTURER: pgettext_lazy("role", "manufacturer"),
}
#: What each role is there for, in the words of the users page.
PURPOSES: dict[Role, Promise] = {
    Role.VIEWER: gettext_lazy("sees the state and the sessions; cards are masked"),
    Role.OPERATOR: gettext_lazy("starts and stops, manages the cards, reads messages and reasons"),
    Role.INSTALLER: gettext_lazy("sets the station up: limits, hardware, network, backend, firmware, users"),
    Role.MANUFACTURER: gettext_lazy("also changes what leaves the factory fixed"),
}
#: The role → the permissions in the Django admin that it adds.
_ADMIN = {Role.OPERATOR: ("view_idtag", "add_idtag", "change_idtag", "delete_idtag")}


def role_of(user: AbstractBaseUser | AnonymousUser) -> Role:
    """The highest role of a user; one who acts by a token has the token's at most (`role_cap`)."""
    if not isinstance(user, User) or not user.is_active:
        return Role.NOBODY
    cap = getattr(user, "role_cap", Role.MANUFACTURER)
    if user.is_superuser:
        return cap
    words = {role.word: role for role in Role}
    held = user.groups.values_list("name", flat=True)
    return min(cap, max((words[name] for name in held if name in words), default=Role.NOBODY))


def role_now(user_id: int) -> Role:
    """As it stands in the database at this moment, for what lasts longer than a request."""
    user = User.objects.filter(pk=user_id).first()
    return role_of(user) if user else Role.NOBODY


def needs(role: Role) -> Callable[[Page], Page]:
    """Only for users of this role or a higher one; others read why not. The page carries `role` for the navigation."""

    def guard(page: Page) -> Page:
        @wraps(page)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if (held := role_of(request.user)) < role:
                raise PermissionDenied(refusal(held, role))
            return page(request, *args, **kwargs)

        answer.role = role  # type: ignore[attr-defined]
        return answer

    return guard


def refusal(held: Role, needed: Role) -> str:
    """Why somebody may not, and the cure."""
    if not held:
        text = gettext(
            "This needs the role %(needed)s; you have no role on this station. "
            "Ask an installer of this station to change your role."
        )
        return text % {"needed": needed.shown}
    text = gettext(
        "This needs the role %(needed)s; you are signed in as %(held)s. "
        "Ask an installer of this station to change your role."
    )
    return text % {"needed": needed.shown, "held": held.shown}


def shown_tag(id_tag: str, role: Role) -> str:
    """A card's number as this role may see it: it is a person's, and a viewer needs no more than to tell two apart."""
    return id_tag if role >= Role.OPERATOR or not id_tag else f"{id_tag[:2]}…{id_tag[-2:]}"


def assign(user: User, role: Role) -> None:
    """Give a saved user exactly this role; operators and above may enter the Django admin."""
    prepare()
    user.groups.set([Group.objects.get(name=role.word)] if role else [])
    user.is_staff = role >= Role.OPERATOR
    user.save(update_fields=["is_staff"])


def prepare() -> None:
    """Make the groups that are missing; a group gets all permissions of the roles below it."""
    codenames: list[str] = []
    for role in Role:
        if not role:
            continue
        codenames += _ADMIN.get(role, ())
        group, is_new = Group.objects.get_or_create(name=role.word)
        if is_new:
            ours = Permission.objects.filter(content_type__app_label="station")
            group.permissions.set(ours.filter(codename__in=codenames))
