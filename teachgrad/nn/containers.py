"""Modules that hold other modules, or parameters, in an order or under keys."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

import teachgrad as tg

from .module import Module


class Numbered(Module):
    """What lists of modules or parameters share: the items are filed under the names "0", "1", ..."""

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[Any]:
        return iter([self.__dict__[name] for name in self._kinds])

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._like(list(self)[index])
        return self.__dict__[self._name(index)]

    def __setitem__(self, index: int, item: Any) -> None:
        setattr(self, self._name(index), item)

    def __delitem__(self, index: int | slice) -> None:
        items = list(self)
        del items[index if isinstance(index, slice) else int(self._name(index))]
        self._fill(items)

    def append(self, item: Any) -> Self:
        """Add an item at the end."""
        setattr(self, str(len(self)), item)
        return self

    def extend(self, items: Iterable[Any]) -> Self:
        """Add items at the end."""
        for item in items:
            self.append(item)
        return self

    def insert(self, index: int, item: Any) -> Self:
        """Put an item before position `index`; those behind it move on."""
        items = list(self)
        items.insert(index, item)
        self._fill(items)
        return self

    def _like(self, items: list[Any]) -> Self:
        return type(self)(items)  # type: ignore[call-arg]

    def _fill(self, items: list[Any]) -> None:
        for name in list(self._kinds):
            delattr(self, name)
        self.extend(items)

    def _name(self, index: Any) -> str:
        index, length = operator.index(index), len(self)
        if not -length <= index < length:
            raise IndexError(f"index {index} is out of range: this {type(self).__name__} has {length} items")
        return list(self._kinds)[index]


class Sequential(Numbered):
    """Modules run one after the other: y = f_n(...f_2(f_1(x))).

    `Sequential(Linear(2, 16), Tanh(), Linear(16, 1))` names them "0", "1", "2"; `Sequential({"fc": Linear(2, 1)})`
    takes the names from a dict.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def append(self, item: Any) -> Self:
        """Add a module at the end."""
        if not isinstance(item, Module):
            raise TypeError(f"Sequential takes modules, not a {type(item).__name__}; is it `nn.Tanh()` with brackets?")
        return super().append(item)

    def _like(self, items: list[Any]) -> Self:
        return type(self)(*items)

    def forward(self, x: Any) -> Any:
        for name in self._kinds:
            x = self.__dict__[name](x)
        return x


class ModuleList(Numbered):
    """A list whose modules are filed as "0", "1", ... It has no forward: index it, or loop over it."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)


class ParameterList(Numbered):
    """A list whose tensors are filed as parameters "0", "1", ..."""

    def __init__(self, parameters: Iterable[Any] = ()) -> None:
        super().__init__()
        self.extend(parameters)

    def append(self, item: Any) -> Self:
        """Add a parameter, or a tensor or array that is made one, at the end."""
        return super().append(item if isinstance(item, tg.Parameter) else tg.Parameter(item))

    def extra_repr(self) -> str:
        return ", ".join(f"{p.dtype}{list(p.shape)}" for p in self)


class ModuleDict(Module):
    """A dict whose modules are filed under their keys."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __contains__(self, key: str) -> bool:
        return key in self._kinds

    def __getitem__(self, key: str) -> Any:
        if key not in self._kinds:
            raise KeyError(key)
        return self.__dict__[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        delattr(self, key)

    def keys(self) -> Iterable[str]:
        """The names of the modules."""
        return self._kinds.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return [self[key] for key in self._kinds]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and modules."""
        return [(key, self[key]) for key in self._kinds]

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add modules under their keys, in place of those that have the keys already."""
        for key, module in modules.items():
            self[key] = module
