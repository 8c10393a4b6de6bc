"""Notices by e-mail, over SMTP."""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path
from typing import Final

from delivery.message import Message, Outcome, Verdict

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
"""How a connection is secured, and the port where that is usual."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """How mail leaves. `security`: one of PORTS; "none" sends in the clear, for a relay on this machine. `ca_file`: the
    authorities that vouch for the server, None: the system's."""

    host: str
    port: int
    sender: str
    security: str = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    timeout: float = 20.0


class MailTransport:
    """Sends each message's notice to the address that its destination names."""

    def __init__(self, server: MailServer, addresses: Mapping[str, str]) -> None:
        self._server = server
        self._addresses = dict(addresses)

    async def close(self) -> None:
        """Nothing is held between messages."""

    async def send(self, message: Message, now: float) -> Outcome:
        """See delivery.sender.Transport. A mailbox that is refused for good is dead at once; a password that is refused
        is tried again, since settings get corrected."""
        address = self._addresses.get(message.destination)
        if address is None:
            return Outcome(Verdict.LATER, f"no mail address is named {message.destination}; put it under [mail]")
        return await asyncio.to_thread(self._send, written(message, address, self._server.sender, now))

    def _send(self, mail: EmailMessage) -> Outcome:
        server = self._server
        try:
            with self._connected() as smtp:
                if server.username is not None:
                    smtp.login(server.username, server.password or "")
                smtp.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            return _refused(*next(iter(error.recipients.values())))
        except smtplib.SMTPAuthenticationError as error:
            why = _refused(error.smtp_code, error.smtp_error).told
            return Outcome(Verdict.LATER, f"the mail server refuses user or password: {why}")
        except smtplib.SMTPResponseException as error:
            return _refused(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            return Outcome(Verdict.LATER, f"{server.host}:{server.port}: {error or type(error).__name__}")
        return Outcome(Verdict.TAKEN, f"taken by {server.host}")

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=context)
        smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        try:
            if server.security == "starttls":
                smtp.starttls(context=context)
        except BaseException:
            smtp.close()
            raise
        return smtp


def written(message: Message, to: str, sender: str, now: float) -> EmailMessage:
    """The mail of a notice. Its Message-ID is the same at every attempt, so mail programs know a repeat."""
    notice = json.loads(message.body)
    mail = EmailMessage()
    mail["Subject"] = f"Epochal: {notice['title']}"
    mail["From"], mail["To"] = sender, to
    mail["Date"] = formatdate(now)
    mail["Message-ID"] = f"<{sha256(message.key.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"
    mail["X-Epochal-Notice"] = message.key
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{notice['text']}\n-- \nNetwork {notice['network']}, notice {notice['id']}\n")
    return mail


def _refused(code: int, told: bytes | str) -> Outcome:
    text = told.decode("utf-8", "replace") if isinstance(told, bytes) else told
    verdict = Verdict.NEVER if 500 <= code < 600 else Verdict.LATER
    return Outcome(verdict, f"SMTP {code}: {' '.join(text.split())[:200]}")
