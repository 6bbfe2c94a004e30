"""What all optimizers share: groups of parameters with settings, values kept beside each parameter, and the step.

All that changes from step to step (the learning rate, running averages, step counts) is kept in tensors, and a rule
reads them as inputs and overwrites them. So a static function that calls `step()` has them as part of its graph, and
a schedule that changes the learning rate need not trace anything again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

import teachgrad as tg

from .. import observe
from ..errors import SettingError, StateError, TeachgradError
from ..op import state
from ..revision import Counted, changed

Tensors = list[Any]
COUNTS = ("step", "started")
FLOATS = (np.dtype("float16"), np.dtype("float32"), np.dtype("float64"))


class Cell:
    """A number that a schedule may change, as 0-d tensors: one of each floating-point type, always of one value."""

    __slots__ = ("tensors",)

    def __init__(self, name: str, value: float) -> None:
        self.tensors = {dtype: tg.tensor(np.array(value, dtype), name=name) for dtype in FLOATS}

    def get(self) -> float:
        """The number, to full precision."""
        return self.tensors[FLOATS[-1]].item()

    def set(self, value: float) -> None:
        """Change the number, in the memory where it is."""
        with tg.no_grad():
            for tensor in self.tensors.values():
                tensor.fill_(value)


class Group(MutableMapping[str, Any], Counted):
    """Parameters that share settings; as a mapping it looks like one of PyTorch's `param_groups`.

    The settings that schedules change are kept in cells: `group["lr"]` reads one and `group["lr"] = 0.1` writes it,
    and `group.cell("lr", p.dtype)` is the tensor that a rule computes with.
    """

    contents = frozenset({"params", "cells", "settings", "_state"})

    def __init__(
        self, params: list[Any], settings: Mapping[str, Any], kind: type[Optimizer], state: dict[Any, dict[str, Any]]
    ) -> None:
        self.params = params
        self.cells = {name: _make_cell(name, settings[name]) for name in kind.cells}
        self.settings = {name: value for name, value in settings.items() if name not in self.cells}
        self.slots: tuple[str, ...] = ()
        self._kind = kind
        self._state = state
        for p in params:
            state[p] = {}
        self.complete()

    def complete(self) -> None:
        """Make the tensors that the settings ask for beside each parameter, where they are not there yet."""
        names = self._kind.slot_names(self)
        if names == self.slots:
            return
        for p in self.params:
            kept = self._state[p]
            for name in names:
                if name not in kept:
                    kept[name] = tensor = self._kind.initial(name, p, self)
                    tensor.name = f"{p.name}.{name}" if p.name else name
        self.slots = names

    def cell(self, name: str, dtype: Any = FLOATS[-1]) -> Any:
        """The tensor of `dtype` that holds the number `name`."""
        return self.cells[name].tensors[dtype]

    def column(self, name: str, params: Tensors) -> Tensors:
        """The same for each of some parameters, in its dtype."""
        tensors = self.cells[name].tensors
        return [tensors[p.dtype] for p in params]

    def pair(self, name: str) -> tuple[Any, Any]:
        """The two float64 tensors that hold the pair of numbers `name`."""
        first, second = self.cells[name]
        return first.tensors[FLOATS[-1]], second.tensors[FLOATS[-1]]

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self.params
        cell = self.cells.get(name)
        if cell is None:
            return self.settings[name]
        return tuple([part.get() for part in cell]) if type(cell) is tuple else cell.get()

    def __setitem__(self, name: str, value: Any) -> None:
        cell = self.cells.get(name)
        if name == "params":
            raise SettingError("the parameters of a group stay the same; use add_param_group() for others")
        if cell is None:
            self.settings[name] = value
            changed()
        elif type(cell) is tuple:
            for part, number in zip(cell, value, strict=True):
                part.set(float(number))
        else:
            cell.set(float(value))
        if name != "lr":
            self.complete()

    def __delitem__(self, name: str) -> None:
        del self.settings[name]
        changed()

    def __iter__(self) -> Iterator[str]:
        return iter(("params", *self.cells, *self.settings))

    def __len__(self) -> int:
        return 1 + len(self.cells) + len(self.settings)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={self[name]!r}" for name in self if name != "params")
        return f"{len(self.params)} parameters: {shown}"


def _make_cell(name: str, value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(Cell(name, number) for number in value)
    return Cell(name, value)


class Optimizer(Counted):
    """The base of optimizers.

    A subclass says in `cells` which settings may change from step to step, in `slot_names` what it keeps beside
    a parameter, and in `rule` how parameters take a step.
    """

    cells: tuple[str, ...] = ("lr",)
    contents = frozenset({"defaults", "param_groups", "state"})

    def __init__(self, params: Iterable[Any], settings: Mapping[str, Any]) -> None:
        self.defaults = dict(settings)
        self.param_groups: list[Group] = []
        self.state: dict[Any, dict[str, Any]] = {}
        groups = list(params)
        if not groups:
            raise TeachgradError(
                f"{type(self).__name__} got no parameters; is `model.parameters()` empty, or used up by an "
                "earlier loop over it?"
            )
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @staticmethod
    def slot_names(group: Group) -> tuple[str, ...]:
        """The names, PyTorch's, of the tensors kept beside each parameter of `group`."""
        return ()

    @staticmethod
    def initial(name: str, p: Any, group: Group) -> Any:
        """The tensor `name` as it is before the first step: zeros like the parameter `p`, or 0 for a count."""
        return tg.tensor(np.zeros(()), device=p.device) if name in COUNTS else tg.zeros_like(p)

    def rule(self, ps: Tensors, gs: Tensors, group: Group) -> None:
        """Let parameters `ps` of `group`, with gradients `gs`, take a step: overwrite them and what is beside them."""
        raise NotImplementedError

    def kept(self, ps: Tensors, name: str) -> Tensors:
        """The tensors `name` that are kept beside parameters."""
        return [self.state[p][name] for p in ps]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; the others are left alone.

        A `closure` computes the loss and its gradients, and its answer is returned.
        """
        loss = None
        if closure is not None:
            with tg.enable_grad():
                loss = closure()
        modes = state.now
        recorded, modes.grad = modes.grad, False  # what tg.no_grad does, at a tenth of the cost
        try:
            for group in self.param_groups:
                ps, gs = [], []
                for p in group.params:
                    g = p._grad if modes.tracer is None else p.grad
                    if g is not None:
                        ps.append(p)
                        gs.append(g)
                if ps:
                    if observe.sink is not None and modes.tracer is None:
                        rate = group.cell("lr")
                        observe.sink(observe.Leaf(rate.id, rate.name, rate._data, False, False))
                    self.rule(ps, gs, group)
        finally:
            modes.grad = recorded
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill those that are there with zeros."""
        for group in self.param_groups:
            for p in group.params:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = tg.zeros_like(p.grad)

    # ---- settings ----------------------------------------------------------------------------------------------------

    @property
    def lr(self) -> float:
        """The learning rate (of the first group, if they differ). Assigning sets it for all groups."""
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Train more parameters, `group["params"]`, with settings of their own where the group names them."""
        params = group["params"]
        params = [params] if isinstance(params, tg.Tensor) else list(params)
        unknown = group.keys() - self.defaults.keys() - {"params"}
        if unknown:
            raise SettingError(
                f"{type(self).__name__} has no setting {sorted(unknown)[0]!r}; it has {', '.join(self.defaults)}"
            )
        for position, p in enumerate(params):
            if not isinstance(p, tg.Tensor):
                raise TypeError(
                    f"an optimizer takes tensors, and item {position} is a {type(p).__name__}"
                    + ("; write `model.parameters()`, not `model.named_parameters()`" if isinstance(p, tuple) else "")
                )
            if not p.is_leaf:
                raise TeachgradError(
                    f"parameter {position} of shape {p.shape} was computed by {p.op}; only leaves can be trained"
                )
            if p in self.state or any(p is other for other in params[:position]):
                raise TeachgradError(
                    f"parameter {p.name or position} of shape {p.shape} is given to the optimizer twice"
                )
        self.param_groups.append(Group(params, {**self.defaults, **group_settings(group)}, type(self), self.state))
        changed()

    # ---- state -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All settings and all that is kept beside the parameters, in PyTorch's layout.

        `{"state": {number of the parameter: {name: tensor}}, "param_groups": [{setting: value, "params": [numbers]}]}`
        """
        numbers = {id(p): number for number, p in enumerate(self.parameters())}
        kept = {numbers[id(p)]: tensors for p, tensors in self.state.items() if tensors}
        groups = []
        for group in self.param_groups:
            settings = {name: group[name] for name in group if name != "params"}
            groups.append({**settings, "params": [numbers[id(p)] for p in group.params]})
        return {
            "state": {number: {name: t.detach() for name, t in tensors.items()} for number, tensors in kept.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over settings and tensors from `state_dict()`, or from that of PyTorch's optimizer of the same kind.

        Everything is checked first: on an error nothing is changed. Settings that exist only there are skipped.
        """
        groups, kept = state_dict["param_groups"], state_dict["state"]
        sizes, given = [len(group.params) for group in self.param_groups], [len(group["params"]) for group in groups]
        if sizes != given:
            raise StateError(
                f"the state is for groups of {given} parameters, and this {type(self).__name__} has {sizes}"
            )
        writes: list[tuple[Any, np.ndarray]] = []
        for group, values in zip(self.param_groups, groups, strict=True):
            for p, number in zip(group.params, values["params"], strict=True):
                for name, array in self.adopted(p, group, kept.get(number, {})).items():
                    tensor = self.state[p][name]
                    if array.shape != tensor.shape:
                        raise StateError(
                            f"{name} of parameter {p.name or number} has shape {array.shape} in the state, here "
                            f"{tensor.shape}"
                        )
                    writes.append((tensor, array))
        with tg.no_grad():
            for tensor, array in writes:
                tensor.copy_(array)
        for group, values in zip(self.param_groups, groups, strict=True):
            for name in set(group) & set(values) - {"params"}:
                group[name] = values[name]

    def adopted(self, p: Any, group: Group, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The values for the tensors kept beside `p`: those given, or those from before the first step."""
        return {
            name: np.asarray(self.initial(name, p, group) if given.get(name) is None else given[name])
            for name in self.state[p]
        }

    def parameters(self) -> Iterator[Any]:
        """The parameters of all groups, in order."""
        return (p for group in self.param_groups for p in group.params)

    def __repr__(self) -> str:
        return "\n".join([type(self).__name__, *(f"  {group!r}" for group in self.param_groups)])


def directions(ps: Tensors, gs: Tensors, group: Group, with_decay: bool = True) -> Tensors:
    """The directions d = g + λ p of a step down, λ the weight decay, with -g for g under `maximize`."""
    decay = group.settings["weight_decay"] if with_decay else 0.0
    if group.settings["maximize"]:
        gs = [-g for g in gs]
    return [g + p * decay for p, g in zip(ps, gs, strict=True)] if decay else gs


def group_settings(group: Mapping[str, Any]) -> dict[str, Any]:
    """What a group given by the user sets, besides its parameters."""
    return {name: value for name, value in group.items() if name != "params"}


def check(settings: Mapping[str, Any], **ranges: tuple[float, float]) -> None:
    """Refuse settings (each a number or a tuple of numbers) that lie outside low <= value < high."""
    for name, (low, high) in ranges.items():
        value = settings[name]
        for number in value if isinstance(value, (tuple, list)) else (value,):
            if not low <= number < high:
                below = f" and below {high}" if np.isfinite(high) else ""
                raise SettingError(f"{name} is {value}, but must be at least {low}{below}")
