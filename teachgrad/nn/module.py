"""`Module`: parameters, buffers and other modules under names, and a `forward` that uses them.

A module files what is assigned to it. `self.fc1 = Linear(2, 16)` makes a child named `fc1`; its weight is then
`fc1.weight` in `named_parameters()`, in `state_dict()`, in error messages and in recordings. Names, order, shapes and
layouts are PyTorch's, so that states can go to and fro.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

import teachgrad as tg

from .. import observe, revision
from ..errors import TeachgradError
from ..op import state
from ..revision import Counted
from .carrying import carry, convert
from .hooks import Handle
from .loading import Difference, load

PARAMETER, BUFFER, SCRATCH, MODULE = "parameter", "buffer", "buffer that is not saved", "module"
"""What a name of a module can stand for, besides plain attributes."""


class Paths(threading.local):
    """The paths of the modules inside the outermost one that is running, by identity; only while watched."""

    known: dict[int, str] | None = None

    def __init__(self) -> None:
        self.found: weakref.WeakKeyDictionary[Module, tuple[int, str, dict[int, str]]] = weakref.WeakKeyDictionary()
        """What was found for an outermost module, at which count of changes and below which scope."""


_paths = Paths()


class Module(Counted):
    """A part of a network: it holds parameters and computes something with them.

    >>> from teachgrad import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc1 = nn.Linear(2, 16)
    ...         self.fc2 = nn.Linear(16, 1)
    ...
    ...     def forward(self, x):
    ...         return self.fc2(self.fc1(x).tanh())
    >>> net = Net()
    >>> net(tg.ones((5, 2))).shape
    (5, 1)
    >>> [name for name, _ in net.named_parameters()]
    ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']

    Parameters, modules and registered buffers that are assigned as attributes are filed under the attribute's name.
    `training` says whether layers such as dropout behave as in training; `train()` and `eval()` switch it.
    """

    training: bool
    _kinds: dict[str, str]
    _hooks: list[tuple[str, Callable[..., Any]]]

    contents = frozenset({"_kinds", "_hooks"})

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Here rather than in __init__, so that a subclass that forgets super().__init__() works all the same.
        self = super().__new__(cls)
        self.__dict__.update(training=True, _kinds={}, _hooks=[])
        return self

    def __init__(self) -> None:
        """Nothing to do: a module is ready from the start."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes. Every subclass writes its own; call the module, not this."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward(); give it one that takes what it is called with"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if observe.sink is None and state.now.tracer is None and not self._hooks:
                return self.forward(*args, **kwargs)
            return self._call(args, kwargs)
        except TeachgradError as error:
            note_module(error, self)
            raise

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        modes = state.now
        scope, known = modes.scope, _paths.known
        if observe.sink is not None or modes.tracer is not None:
            if known is None or id(self) not in known:
                _paths.known = self._locate(scope)
            assert _paths.known is not None
            modes.scope = _paths.known[id(self)]
        try:
            for when, hook in tuple(self._hooks):
                if when == "before" and (answer := hook(self, args)) is not None:
                    args = answer if isinstance(answer, tuple) else (answer,)
            result = self.forward(*args, **kwargs)
            for when, hook in tuple(self._hooks):
                if when == "after" and (answer := hook(self, args, result)) is not None:
                    result = answer
            return result
        finally:
            modes.scope, _paths.known = scope, known

    def _locate(self, scope: str) -> dict[int, str]:
        """The paths of this module and all in it, below `scope`. Names their parameters as well."""
        changes, below, paths = _paths.found.get(self, (-1, "", {}))
        if (changes, below) != (revision.now, scope):
            for _ in self.named_parameters():
                pass
            paths = {id(module): _join(scope, path) for path, module in self.named_modules()}
            _paths.found[self] = revision.now, scope, paths
        return paths

    # ---- filing ------------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        kind = self._kinds.get(name)
        if isinstance(value, tg.Parameter):
            self._file(name, PARAMETER)
        elif isinstance(value, Module):
            self._file(name, MODULE)
        elif (
            kind is not None and value is not None and not (kind in (BUFFER, SCRATCH) and isinstance(value, tg.Tensor))
        ):
            wanted = {PARAMETER: "an nn.Parameter", MODULE: "an nn.Module"}.get(kind, "a tensor")
            raise TypeError(
                f"{type(self).__name__}.{name} is a {kind}, so it can be set to {wanted} or None, not to a "
                f"{type(value).__name__}.\nWay out: `del module.{name}` first, to give the name another meaning."
            )
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._kinds.pop(name, None)
        super().__delattr__(name)

    def _file(self, name: str, kind: str) -> None:
        if self._kinds.get(name) == kind:
            return
        if not name or "." in name:
            raise TeachgradError(f"the name of a {kind} cannot be empty or have a dot in it: {name!r}")
        if callable(getattr(type(self), name, None)) or name == "training":
            raise TeachgradError(
                f"{type(self).__name__} has an attribute `{name}` already; choose another name for the {kind}"
            )
        self._kinds.pop(name, None)
        self._kinds[name] = kind

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """File a tensor that belongs to the module but is not trained, such as a running mean.

        It follows `to(dtype)`, and is part of `state_dict()` if `persistent`. None keeps the name for later.
        """
        self._file(name, BUFFER if persistent else SCRATCH)
        setattr(self, name, tensor if tensor is None or isinstance(tensor, tg.Tensor) else tg.tensor(tensor))

    def register_parameter(self, name: str, parameter: Any) -> None:
        """File a parameter under a name that may be computed; None keeps the name for later."""
        self._file(name, PARAMETER)
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Module | None) -> None:
        """File a module under a name that may be computed."""
        self._file(name, MODULE)
        setattr(self, name, module)

    # ---- listing -----------------------------------------------------------------------------------------------------

    def _own(self, *kinds: str) -> Iterator[tuple[str, Any]]:
        for name, kind in self._kinds.items():
            if kind in kinds and (value := self.__dict__.get(name)) is not None:
                yield name, value

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules filed in this one, with their names."""
        seen = set()
        for name, child in self._own(MODULE):
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules filed in this one."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module (its path is the prefix) and all inside it, each with its path, parents first."""
        return self._walk(prefix, set() if remove_duplicate else None)

    def _walk(self, path: str, seen: set[int] | None) -> Iterator[tuple[str, Module]]:
        if seen is not None:
            if id(self) in seen:
                return
            seen.add(id(self))
        yield path, self
        for name, child in self._own(MODULE):
            yield from child._walk(_join(path, name), seen)

    def modules(self) -> Iterator[Module]:
        """This module and all inside it."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """The parameters with their paths, such as `fc1.weight`; one that is filed twice comes once."""
        for path, parameter in self._tensors(prefix, recurse, remove_duplicate, PARAMETER):
            if not prefix and (parameter.name is None or path.endswith("." + parameter.name)):
                parameter.name = path
            yield path, parameter

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """The parameters, as an optimizer takes them."""
        if recurse:
            self._warn_of_forgotten()
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """The buffers with their paths."""
        return self._tensors(prefix, recurse, remove_duplicate, BUFFER, SCRATCH)

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """The buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _tensors(self, prefix: str, recurse: bool, remove_duplicate: bool, *kinds: str) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix, remove_duplicate) if recurse else [(prefix, self)]:
            for name, tensor in module._own(*kinds):
                if not remove_duplicate or id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield _join(path, name), tensor

    def _warn_of_forgotten(self) -> None:
        """Warn of modules and parameters in plain lists and dicts, where no optimizer finds them."""
        listed = {id(module) for module in self.modules()}
        listed.update(id(parameter) for _, parameter in self._tensors("", True, True, PARAMETER))
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if name in module._kinds or not isinstance(value, (list, tuple, dict)):
                    continue
                items = value.values() if isinstance(value, dict) else value
                lost = [item for item in items if isinstance(item, (Module, tg.Parameter)) and id(item) not in listed]
                if lost:
                    holder = "ModuleDict" if isinstance(value, dict) else "ModuleList"
                    warnings.warn(
                        f"`{_join(path, name)}` is a plain {type(value).__name__}, so what is in it is not found and "
                        f"not trained; make it an nn.{holder if isinstance(lost[0], Module) else 'ParameterList'}",
                        stacklevel=3,
                    )

    def get_submodule(self, path: str) -> Module:
        """The module at a path such as `blocks.0.attn`."""
        module: Any = self
        for name in path.split(".") if path else ():
            module = module.__dict__.get(name) if isinstance(module, Module) else None
            if not isinstance(module, Module):
                raise AttributeError(f"{type(self).__name__} has no module at {path!r}: there is no {name!r}")
        return module

    def get_parameter(self, path: str) -> Any:
        """The parameter at a path such as `fc1.weight`."""
        where, _, name = path.rpartition(".")
        parameter = self.get_submodule(where).__dict__.get(name)
        if not isinstance(parameter, tg.Parameter):
            raise AttributeError(f"{type(self).__name__} has no parameter at {path!r}")
        return parameter

    # ---- state -------------------------------------------------------------------------------------------------------

    def _saved(self) -> dict[str, Any]:
        """Every tensor that belongs to the state, by path, in PyTorch's order."""
        return {
            _join(path, name): tensor
            for path, module in self.named_modules(remove_duplicate=False)
            for kind in (PARAMETER, BUFFER)
            for name, tensor in module._own(kind)
        }

    def state_dict(self) -> dict[str, Any]:
        """The parameters and saved buffers by path, as tensors without history that share the module's memory.

        Training goes on changing them; `copy.deepcopy(model.state_dict())` is a snapshot.
        """
        return {path: tensor.detach() for path, tensor in self._saved().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Difference:
        """Copy tensors (or arrays, PyTorch's included) into the parameters and buffers of the same paths.

        Either all are copied or, on an error, none. Under `strict` the paths must be the same ones; otherwise those
        that have no partner are skipped, and returned as `missing_keys` and `unexpected_keys`. Shapes must agree in
        any case. Values take the dtype of the module.
        """
        return load(type(self).__name__, self._saved(), state_dict, strict)

    # ---- changing everything at once ---------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all inside it to training, or with False to evaluation."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation: dropout passes everything on, batch norm uses its running statistics."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let all parameters take part in training, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for _, parameter in self.named_parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = tg.zeros_like(parameter.grad)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with every module inside this one, children before parents, and with this one last."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self, *where: Any) -> Self:
        """Convert all parameters and buffers of a floating-point type to another one, or carry all to a device.

        In place: `model.to("gpu")`, `model.to(tg.float64)`, or both at once. Optimizers made before keep what they know
        of the parameters where it was; make them afterwards.
        """
        tensors = [*(p for _, p in self.named_parameters()), *self.buffers()]
        for what in where:
            carry(tensors, what) if tg.device.is_one(what) else convert(tensors, what)
        return self

    astype = to

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(np.float64)

    # ---- hooks -------------------------------------------------------------------------------------------------------

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple[Any, ...]], Any]) -> Handle:
        """Call `hook(module, args)` before every forward; an answer that is not None replaces the arguments."""
        return Handle(self._hooks, ("before", hook))

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> Handle:
        """Call `hook(module, args, result)` after every forward; an answer that is not None replaces the result."""
        return Handle(self._hooks, ("after", hook))

    # ---- text --------------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The settings that the repr shows, such as `in_features=2, out_features=16`."""
        return ""

    def __repr__(self) -> str:
        text = self._tree()
        sizes = [(parameter.size, parameter.requires_grad) for _, parameter in self.named_parameters()]
        total, trained = sum(n for n, _ in sizes), sum(n for n, on in sizes if on)
        if "\n" in text:
            text += f"  # {total:,} parameters" + (f", {trained:,} of them trained" if trained != total else "")
        return text

    def _tree(self) -> str:
        settings = self.extra_repr()
        lines = [f"({name}): {child._tree()}".replace("\n", "\n  ") for name, child in self._own(MODULE)]
        if not lines:
            return f"{type(self).__name__}({settings})"
        return "\n  ".join([f"{type(self).__name__}(", *([settings] if settings else []), *lines]) + "\n)"


def note_module(error: TeachgradError, module: Module) -> None:
    """Add to an error in which part of `module` it happened: `in Net.blocks.0.fc: Linear(in_features=4, ...)`."""
    inner = error.__dict__.setdefault("module", module)
    path = next((path for path, part in module.named_modules() if part is inner), None)
    if path is not None:
        where = f"{type(module).__name__}.{path}: " if path else ""
        note = f"in {where}{type(inner).__name__}({inner.extra_repr()})"
        error.__notes__ = [*(old for old in getattr(error, "__notes__", ()) if old != error.__dict__.get("note")), note]
        error.__dict__["note"] = note


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name
