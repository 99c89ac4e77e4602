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
        """As it is stored and said."""
        return self.name.lower()


#: What each role is there for, in the words of the users page.
PURPOSES = {
    Role.VIEWER: "sees the state and the sessions; cards are masked",
    Role.OPERATOR: "starts and stops, manages the cards, reads messages and reasons",
    Role.INSTALLER: "sets the station up: limits, hardware, network, backend, firmware, users",
    Role.MANUFACTURER: "also changes what leaves the factory fixed",
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
    yours = f"you are signed in as {held.word}" if held else "you have no role on this station"
    return f"This needs the role {needed.word}; {yours}. Ask an installer of this station to change your role."


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
