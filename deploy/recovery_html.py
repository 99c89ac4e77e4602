"""What the recovery page says and looks like, in the languages of the station.

It has its own words: the release, and with it the catalogues of its languages, may be broken.
"""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from typing import Any

LANGUAGES = ("en", "ko", "de")

#: English → Korean, German.
_TABLE = {
    "Safe mode": ("안전 모드", "Sicherer Modus"),
    "The software did not get through its start three times in a row. No car can charge now. Nothing was deleted.": (
        "소프트웨어가 세 번 연속으로 시작하지 못했습니다. 지금은 충전할 수 없습니다. 삭제된 데이터는 없습니다.",
        "Die Software ist dreimal nacheinander nicht gestartet. Jetzt kann kein Auto laden. Es wurde nichts gelöscht.",
    ),
    "Reason": ("원인", "Grund"),
    "Sign in to read it.": ("로그인하면 볼 수 있습니다.", "Melden Sie sich an, um ihn zu lesen."),
    "Release": ("버전", "Version"),
    "Since": ("시작 시각", "Seit"),
    "Tries again by itself": ("자동 재시도 시각", "Neuer Versuch von selbst"),
    "Contactor": ("접촉기", "Schütz"),
    "open": ("열림", "offen"),
    "closed": ("닫힘", "geschlossen"),
    "not known: the board does not answer": (
        "알 수 없음: 보드가 응답하지 않습니다",
        "unbekannt: die Platine antwortet nicht",
    ),
    "A restart of the station (power off and on) tries again as well.": (
        "전원을 껐다 켜도 다시 시도합니다.",
        "Auch ein Neustart der Station (Strom aus und ein) versucht es noch einmal.",
    ),
    "Sign in": ("로그인", "Anmelden"),
    "Name": ("이름", "Name"),
    "Password": ("비밀번호", "Passwort"),
    "Only installers can act here.": ("설치자만 조작할 수 있습니다.", "Nur Installateure können hier etwas tun."),
    "Name and password do not belong together, or this user is no installer.": (
        "이름과 비밀번호가 맞지 않거나 설치자가 아닙니다.",
        "Name und Passwort gehören nicht zusammen, oder dieser Benutzer ist kein Installateur.",
    ),
    "The users cannot be read. Switch the power off and on to try again.": (
        "사용자 정보를 읽을 수 없습니다. 전원을 껐다 켜서 다시 시도하세요.",
        "Die Benutzer sind nicht lesbar. Schalten Sie den Strom aus und ein, um es noch einmal zu versuchen.",
    ),
    "Too many wrong passwords. Wait 15 minutes.": (
        "비밀번호를 너무 많이 틀렸습니다. 15분 후에 다시 시도하세요.",
        "Zu viele falsche Passwörter. Warten Sie 15 Minuten.",
    ),
    "Try again": ("다시 시도", "Noch einmal versuchen"),
    "Go back to release {release}": ("{release} 버전으로 되돌리기", "Zurück zu Version {release}"),
    "Download diagnostics": ("진단 파일 내려받기", "Diagnose herunterladen"),
    "The last lines of the log": ("마지막 로그", "Die letzten Zeilen des Protokolls"),
    "The station starts. This page is gone in a moment; load it again after a minute.": (
        "충전기를 시작합니다. 이 페이지는 곧 사라집니다. 1분 뒤에 다시 여세요.",
        "Die Station startet. Diese Seite ist gleich weg; laden Sie sie nach einer Minute neu.",
    ),
}


def in_language(text: str, language: str) -> str:
    """A text of the table in one of LANGUAGES."""
    return text if language == "en" else _TABLE[text][LANGUAGES.index(language) - 1]


def language_of(accepted: str) -> str:
    """The first language of an Accept-Language header that the page speaks."""
    for part in accepted.split(","):
        code = part.split(";")[0].strip().lower().partition("-")[0]
        if code in LANGUAGES:
            return code
    return "en"


class Words:
    """Says texts of the table in one language, safe to stand in HTML."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, text: str, **values: str) -> str:
        """A text with its placeholders filled in."""
        return html.escape(in_language(text, self.language).format(**values))


_FAILED = "The software did not get through its start three times in a row. No car can charge now. Nothing was deleted."


def page(state: Mapping[str, Any], say: Words, is_installer: bool, problem: str = "", name: str = "") -> str:
    """What is the matter; for an installer with log lines and buttons, for others with the login.

    Args:
        state: of `safe_mode`.
        problem, name: of a login that failed; `problem` is a text of the table.
    """
    known = {"open": say("open"), "closed": say("closed")}
    is_told = is_installer or state.get("public", False)  # what a crash says last may be about people
    reason = html.escape(str(state.get("reason", ""))) if is_told else say("Sign in to read it.")
    rows = (
        (say("Contactor"), known.get(state.get("contactor", ""), say("not known: the board does not answer"))),
        (say("Release"), html.escape(str(state.get("release", "")))),
        (say("Since"), _at(state.get("since"))),
        (say("Tries again by itself"), _at(state.get("retry_at"))),
    )
    listed = "".join(f"<div><dt>{term}</dt><dd>{text}</dd></div>" for term, text in rows)
    again = say("A restart of the station (power off and on) tries again as well.")
    return _framed(
        say,
        f'<section class="card"><h1>{say("Safe mode")}</h1><p class="note fault" role="alert">{say(_FAILED)}</p>'
        f'<dl class="list"><div class="wide"><dt>{say("Reason")}</dt><dd>{reason}</dd></div>{listed}</dl>'
        f'<p class="hint">{again}</p></section>'
        + (_actions(state, say) if is_installer else _login(say, problem, name)),
    )


def starting(say: Words) -> str:
    """After an action."""
    text = say("The station starts. This page is gone in a moment; load it again after a minute.")
    return _framed(say, f'<section class="card"><h1>{say("Safe mode")}</h1><p role="status">{text}</p></section>')


def _framed(say: Words, content: str) -> str:
    return (
        f'<!doctype html><html lang="{say.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{say("Safe mode")}</title>'
        f'<link rel="stylesheet" href="/style.css"></head><body class="door"><main>{content}</main></body></html>'
    )


def _actions(state: Mapping[str, Any], say: Words) -> str:
    buttons = f'<p><button class="main" name="action" value="again">{say("Try again")}</button></p>'
    if state.get("former"):
        words = say("Go back to release {release}", release=str(state.get("former_release") or state["former"]))
        buttons += f'<p><button name="action" value="back">{words}</button></p>'
    lines = "".join(f'<p class="address">{html.escape(str(line))}</p>' for line in state.get("lines", []))
    return (
        f'<form class="card" method="post" action="/act">{buttons}'
        f'<p><a href="/diagnostics.zip">{say("Download diagnostics")}</a></p></form>'
        f'<section class="card"><h2>{say("The last lines of the log")}</h2>{lines}</section>'
    )


def _login(say: Words, problem: str, name: str) -> str:
    told = f'<p class="note fault" role="alert">{say(problem)}</p>' if problem else ""
    return (
        f'<form class="card login" method="post" action="/login"><h2>{say("Sign in")}</h2>{told}'
        f'<label>{say("Name")} <input name="username" autocomplete="username" autocapitalize="none" required '
        f'value="{html.escape(name)}"></label>'
        f'<label>{say("Password")} <input name="password" type="password" autocomplete="current-password" required>'
        f'</label><button class="main">{say("Sign in")}</button>'
        f'<p class="hint">{say("Only installers can act here.")}</p></form>'
    )


def _at(seconds: object) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds)) if isinstance(seconds, (int, float)) else ""
