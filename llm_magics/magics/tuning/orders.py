"""What the view of a run asks of the kernel: stop, pause, more steps, back to the best, another strength; and
to keep the adapter, or to remove it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...models.adapter import check_strength
from ..channel import Order, Sender, whole

if TYPE_CHECKING:
    from .show import RunView

_KEPT = 8  # runs that a view may still ask of: each holds its network


class Tunes:
    """The newest runs of a kernel, by the ids of their views.

    Args:
        channel: to the views.
        work: does something in a thread, and tells a view what fails.
    """

    def __init__(self, channel: Sender, work: Callable[[str, Callable[[], None]], None]) -> None:
        self._channel, self._work = channel, work
        self._all: OrderedDict[str, RunView] = OrderedDict()

    def add(self, view: RunView) -> None:
        self._all[view.id] = view
        while len(self._all) > _KEPT:
            self._all.popitem(last=False)

    def obey(self, id: str, order: Order) -> None:
        """Follow an order; what takes time is done in a thread."""
        view = self._all.get(id)
        if view is None:
            self._channel.send({"do": "gone", "id": id})
            return
        act, run = order.get("act"), view.run
        if act == "ask":
            self._channel.send({"do": "known", "id": id})
        elif act == "show":  # the page was loaded again meanwhile
            view.tell(self._channel, now=True)
        elif act == "stop":
            run.stop()
        elif act in ("pause", "go"):
            run.pause(act == "pause")
        elif act in ("keep", "forget"):
            self._work(id, lambda: self._keep(view, str(act), order))
        elif act in ("back", "more", "strength"):
            self._work(id, lambda: self._change(view, str(act), order))
        else:
            raise UsageError(f"there is no order {act!r:.40}", hint="load the page again")

    def _keep(self, view: RunView, act: str, order: Order) -> None:
        """Write the adapter to the disk under a name, or remove it there."""
        name: Any = order.get("name")
        with view.going:
            if act == "keep":
                view.run.keep_as(name)
            else:
                view.run.forget()
            view.tell(self._channel, now=True)

    def _change(self, view: RunView, act: str, order: Order) -> None:
        run = view.run
        if act == "back":
            run.back()
        elif act == "more":
            run.more(whole(order, "steps"))
        else:
            value: Any = order.get("strength")
            run.strength = check_strength(value)
        if view.driven:  # whoever makes its steps follows
            return
        view.wishes += 1
        wish = view.wishes
        with view.going:  # another answer may be going on
            if act == "more":
                view.driven = True
                moments = run.go()
            elif wish == view.wishes:  # else something newer was wished for meanwhile
                moments = run.answer()
            else:
                return
            try:
                for _ in moments:
                    view.tell(self._channel)
            finally:
                view.driven = False
                view.tell(self._channel, now=True)
