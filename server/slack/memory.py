"""What the Slack face keeps in the store: claims, conversations, answers. Every call blocks; the desk makes them in threads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select, update

from server.slack.tables import SlackAnswer, SlackEvent, SlackThread
from server.slack.turn import Turn
from server.store.engine import Store
from server.store.tables import now

KEEP_DAYS = 14
MAX_ATTEMPTS = 8
LATER, UNSEEN = "later", "unseen"  # in place of a ts: the answer will be a message of its own; it was sent where nobody can look it up

Claim = tuple[str, int]  # a key, and how often it had been taken over when it was taken up here


def moment(seconds: float) -> str:
    """The moment so many seconds from now, as text that sorts."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Memory:
    """Claims are rows whose key can be inserted once, whichever process tries."""

    def __init__(self, store: Store, lease_seconds: float) -> None:
        self.store, self.lease = store, lease_seconds

    def first(self, key: str, kind: str) -> bool:
        """Whether this key is seen for the first time; it is remembered."""
        try:
            with self.store.write() as session:
                session.add(SlackEvent(key=key, kind=kind))
        except IntegrityError:
            return False
        return True

    def claim(self, turn: Turn, event_id: str = "") -> bool:
        """Take a turn up, unless it or its event was taken up before. It stays open until `done`."""
        try:
            with self.store.write() as session:
                session.add(
                    SlackEvent(
                        key=turn.key,
                        kind="turn",
                        team=turn.team,
                        user=turn.user,
                        status="open",
                        turn=turn.model_dump(mode="json"),
                        until=moment(self.lease),
                    )
                )
                if event_id and f"event:{event_id}" != turn.key:
                    session.add(SlackEvent(key=f"event:{event_id}", kind="event", team=turn.team))
        except IntegrityError:
            return False
        return True

    def renew(self, keys: list[str]) -> None:
        """Say that turns are still being worked on."""
        with self.store.write() as session:
            session.exec(
                update(SlackEvent).where(col(SlackEvent.key).in_(keys), col(SlackEvent.status) == "open").values(until=moment(self.lease))
            )

    def abandoned(self) -> list[Turn]:
        """Take over the turns whose process went silent; each goes to one process only."""
        with self.store.read() as session:
            rows = list(session.exec(select(SlackEvent).where(SlackEvent.status == "open", SlackEvent.until < now()).limit(20)))
        mine: list[Turn] = []
        for row in rows:
            over = row.attempts + 1 >= MAX_ATTEMPTS
            with self.store.write() as session:
                changed: Any = session.exec(
                    update(SlackEvent)
                    .where(col(SlackEvent.key) == row.key, col(SlackEvent.until) == row.until)
                    .values(until=moment(self.lease), attempts=row.attempts + 1, status="done" if over else "open")
                )
            if changed.rowcount == 1 and not over:
                mine.append(Turn.model_validate(row.turn))
        return mine

    def row(self, key: str) -> SlackEvent | None:
        """The row of a claim."""
        with self.store.read() as session:
            return session.get(SlackEvent, key)

    def held(self, claim: Claim) -> bool:
        """Whether a claim still holds: nobody took it over, and it was not withdrawn."""
        row = self.row(claim[0])
        return row is not None and row.status == "open" and row.attempts == claim[1]

    def withdraw(self, key: str) -> str | None:
        """End a turn that is still open, wherever it is worked on; the message its answer would have gone into, None where none is open."""
        with self.store.write() as session:
            row = session.get(SlackEvent, key)
            if row is None or row.status != "open":
                return None
            row.status, row.turn = "done", None
            session.add(row)
            return row.ts

    def opened(self, key: str, ts: str) -> None:
        """Remember the message an answer goes into, LATER or UNSEEN."""
        self._set(key, ts=ts)

    def handed_in(self, key: str, job: str) -> None:
        """Remember the job of a turn."""
        self._set(key, job=job)

    def done(self, key: str) -> None:
        """Close a turn for good."""
        self._set(key, status="done", turn=None)

    def release(self, keys: list[str]) -> None:
        """Let others take over turns at once."""
        with self.store.write() as session:
            session.exec(update(SlackEvent).where(col(SlackEvent.key).in_(keys), col(SlackEvent.status) == "open").values(until=now()))

    def _set(self, key: str, **values: Any) -> None:
        with self.store.write() as session:
            session.exec(update(SlackEvent).where(col(SlackEvent.key) == key).values(**values))

    def asked(self, team: str, user: str, seconds: float) -> tuple[int, int]:
        """How many turns a workspace and a person of it began in the last seconds."""
        with self.store.read() as session:
            recent = (SlackEvent.team == team, SlackEvent.kind == "turn", SlackEvent.created >= moment(-seconds))
            all_of_team = session.exec(select(func.count()).select_from(SlackEvent).where(*recent)).one()
            own = session.exec(select(func.count()).select_from(SlackEvent).where(*recent, SlackEvent.user == user)).one()
        return int(all_of_team), int(own)

    def thread(self, turn: Turn) -> SlackThread | None:
        """The conversation a turn belongs to; a private one begins with what the open one knows."""
        with self.store.read() as session:
            own = session.get(SlackThread, (turn.team, turn.channel, turn.conversation))
            return own or session.get(SlackThread, (turn.team, turn.channel, turn.thread))

    def answered(self, answer: SlackAnswer, conversation: str, brief: dict[str, Any] | None, law: str | None = None) -> None:
        """Keep an answer and, where it has one, its brief as the conversation's; a fit's law stays for the turns after it."""
        with self.store.write() as session:
            session.merge(answer)
            thread = session.get(SlackThread, (answer.team, answer.channel, conversation)) or SlackThread(
                team=answer.team, channel=answer.channel, thread=conversation
            )
            if brief is not None:
                thread.brief, thread.last = brief, answer.key
            thread.law, thread.updated = law or thread.law, now()
            session.add(thread)

    def answer_to(self, team: str, channel: str, source: str) -> SlackAnswer | None:
        """The answer to a message."""
        with self.store.read() as session:
            return session.exec(
                select(SlackAnswer).where(SlackAnswer.team == team, SlackAnswer.channel == channel, SlackAnswer.source == source)
            ).first()

    def taken_back(self, answer: SlackAnswer) -> None:
        """Forget an answer; a conversation whose brief it set goes back to the brief before."""
        with self.store.write() as session:
            session.exec(
                update(SlackThread)
                .where(
                    col(SlackThread.team) == answer.team, col(SlackThread.channel) == answer.channel, col(SlackThread.last) == answer.key
                )
                .values(brief=answer.before, last="")
            )
            session.exec(delete(SlackAnswer).where(col(SlackAnswer.key) == answer.key))

    def recent(self, team: str, user: str, limit: int = 10) -> list[SlackAnswer]:
        """A person's latest plans, newest first."""
        with self.store.read() as session:
            return list(
                session.exec(
                    select(SlackAnswer)
                    .where(SlackAnswer.team == team, SlackAnswer.user == user, SlackAnswer.plan_id != "")
                    .order_by(col(SlackAnswer.created).desc())
                    .limit(limit)
                )
            )

    def forget(self, team: str) -> None:
        """Forget a workspace's conversations and answers."""
        with self.store.write() as session:
            session.exec(delete(SlackThread).where(col(SlackThread.team) == team))
            session.exec(delete(SlackAnswer).where(col(SlackAnswer.team) == team))

    def tidy(self) -> None:
        """Drop claims that no delivery can repeat any more."""
        with self.store.write() as session:
            session.exec(delete(SlackEvent).where(col(SlackEvent.status) == "done", col(SlackEvent.created) < moment(-86_400 * KEEP_DAYS)))
