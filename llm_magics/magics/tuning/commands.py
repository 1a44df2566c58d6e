"""What the view of a run asks of the kernel.

Stop, pause, more steps, back to the best, another strength; and to keep the adapter, or to remove it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...core.validation import check_strength
from ...errors import RELOAD_PAGE, UsageError
from ..channel import Order, Transport, int_field

if TYPE_CHECKING:
    from .output import RunView

_KEPT = 8  # runs that a view may still ask of: each holds its network


class TuningCommands:
    """The newest runs of a kernel, by the ids of their views.

    Args:
        channel: to the views.
        work: does something in a thread, and tells a view what fails.
    """

    def __init__(self, channel: Transport, work: Callable[[str, Callable[[], None]], None]) -> None:
        self._channel, self._work = channel, work
        self._all: OrderedDict[str, RunView] = OrderedDict()

    def add(self, view: RunView) -> None:
        self._all[view.id] = view
        while len(self._all) > _KEPT:
            self._all.popitem(last=False)

    def views(self) -> list[RunView]:
        """Return the newest runs."""
        return list(self._all.values())

    def handle(self, id: str, action: str, order: Order) -> None:
        """Handle a message of a run's view; slow work runs in a thread."""
        view = self._all.get(id)
        if view is None:
            self._channel.send({"type": "gone", "id": id})
            return
        run = view.run
        if action == "query":
            self._channel.send({"type": "known", "id": id})
        elif action == "show":  # the page was loaded again meanwhile
            view.tell(self._channel, now=True)
        elif action == "stop":
            run.stop()
        elif action in ("pause", "resume"):
            run.pause(action == "pause")
        elif action in ("save", "delete"):
            self._work(id, lambda: self._save(view, action, order))
        elif action in ("revert", "extend", "strength"):
            self._work(id, lambda: self._change(view, action, order))
        else:
            raise UsageError(f"a run does not support {action!r:.40}", hint=RELOAD_PAGE)

    def _save(self, view: RunView, action: str, order: Order) -> None:
        """Save the adapter under a name, or delete the saved one."""
        name: Any = order.get("name")
        with view.lock:
            if action == "save":
                view.run.keep_as(name)
            else:
                view.run.forget()
            view.tell(self._channel, now=True)

    def _change(self, view: RunView, action: str, order: Order) -> None:
        run = view.run
        if action == "revert":
            run.revert_to_best()
        elif action == "extend":
            run.extend(int_field(order, "steps"))
        else:
            value: Any = order.get("strength")
            run.strength = check_strength(value)
        if view.is_training:  # whoever makes its steps follows
            return
        view.request_count += 1
        wish = view.request_count
        with view.lock:  # another answer may be going on
            if action == "extend":
                view.is_training = True
                moments = run.train_steps()
            elif wish == view.request_count:  # else something newer was wished for meanwhile
                moments = run.answer()
            else:
                return
            try:
                for _ in moments:
                    view.tell(self._channel)
            finally:
                view.is_training = False
                view.tell(self._channel, now=True)
