"""`Module`: what it files, lists, saves, loads, converts, shows, and refuses."""

from __future__ import annotations

import copy
import gc
import pickle
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, observe
from teachgrad.errors import StateError, TeachgradError


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        return x + self.fc(self.norm(x)).tanh()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 4)
        self.blocks = nn.ModuleList(Block(4) for _ in range(2))
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.register_buffer("seen", tg.zeros(()))
        self.register_buffer("scratch", tg.zeros(3), persistent=False)
        self.head = nn.Linear(4, 1, bias=False)

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x) * self.scale


NAMES = [
    "scale", "first.weight", "first.bias",
    *(f"blocks.{k}.{name}" for k in range(2) for name in ("norm.weight", "norm.bias", "fc.weight", "fc.bias")),
    "head.weight",
]  # fmt: skip


def test_everything_is_filed_under_its_path() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert len(list(net.parameters())) == len(NAMES)
    assert [name for name, _ in net.named_buffers()] == ["seen", "scratch"]
    assert [name for name, _ in net.named_children()] == ["first", "blocks", "head"]
    assert [path for path, _ in net.named_modules()] == [
        "", "first", "blocks", "blocks.0", "blocks.0.norm", "blocks.0.fc", "blocks.1", "blocks.1.norm", "blocks.1.fc",
        "head",
    ]  # fmt: skip
    assert list(net.state_dict()) == ["scale", "seen", *NAMES[1:]]
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert [name for name, _ in net.first.named_parameters(prefix="model.first")] == [
        "model.first.weight",
        "model.first.bias",
    ]
    assert net.get_submodule("blocks.1.fc") is net.blocks[1].fc
    assert net.get_parameter("blocks.1.fc.weight") is net.blocks[1].fc.weight
    with pytest.raises(AttributeError, match=r"no module at 'blocks\.7\.fc'"):
        net.get_submodule("blocks.7.fc")
    with pytest.raises(AttributeError, match=r"no parameter at 'head\.bias'"):
        net.get_parameter("head.bias")


def test_parameters_are_named_after_their_paths() -> None:
    net = Net()
    list(net.blocks[0].parameters())
    assert net.blocks[0].fc.weight.name == "fc.weight"
    list(net.parameters())
    assert net.blocks[0].fc.weight.name == "blocks.0.fc.weight"
    list(net.blocks[0].parameters())
    assert net.blocks[0].fc.weight.name == "blocks.0.fc.weight"
    mine = nn.Parameter(np.ones(3), name="mine")
    net.extra = mine
    list(net.parameters())
    assert mine.name == "mine"


def test_watchers_learn_names_and_paths_without_asking() -> None:
    net = Net()
    events: list[Any] = []
    with observe.watching(events.append):
        net(tg.ones((1, 2)))
    named = {event.name for event in events if isinstance(event, observe.Leaf) and event.is_parameter}
    assert named == set(NAMES)
    scopes = [event.scope for event in events if isinstance(event, observe.Forward)]
    assert scopes == [
        "first", "blocks.0.norm", "blocks.0.fc", "blocks.0", "blocks.0", "blocks.1.norm", "blocks.1.fc", "blocks.1",
        "blocks.1", "head", "",
    ]  # fmt: skip


def test_paths_begin_anew_after_an_error() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(3, 1))
    events: list[Any] = []
    with observe.watching(events.append):
        with pytest.raises(tg.ShapeError):
            net(tg.ones((1, 2)))
        tg.ones(2) * 2.0
        net[0](tg.ones((1, 2)))
    assert [event.scope for event in events if isinstance(event, observe.Forward)] == ["0", "", ""]


@pytest.mark.parametrize("watch", [False, True])
def test_errors_say_in_which_module_they_happened(watch: bool) -> None:
    net = Net()
    net.blocks[1].fc = nn.Linear(3, 4)
    with pytest.raises(tg.ShapeError) as error, observe.watching((lambda event: None) if watch else None):
        net(tg.ones((1, 2)))
    assert error.value.__notes__ == ["in Net.blocks.1.fc: Linear(in_features=3, out_features=4, bias=True)"]
    with pytest.raises(tg.ShapeError) as error:
        net.blocks[1].fc(tg.ones((1, 2)))
    assert error.value.__notes__ == ["in Linear(in_features=3, out_features=4, bias=True)"]


def test_a_module_made_inside_another_one_is_watched_too() -> None:
    class Makes(nn.Module):
        def forward(self, x: Any) -> Any:
            return nn.Sequential(nn.Tanh())(x) * 2.0

    events: list[Any] = []
    with observe.watching(events.append):
        nn.Sequential(Makes())(tg.ones(2))
    assert [event.scope for event in events if isinstance(event, observe.Forward)] == ["0.0", "0"]


def test_a_shared_module_comes_once_but_is_saved_under_both_names() -> None:
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = net.a
    assert [name for name, _ in net.named_parameters()] == ["a.weight", "a.bias"]
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    tied = nn.Module()
    tied.one = nn.Linear(2, 2)
    tied.two = nn.Linear(2, 2)
    tied.two.weight = tied.one.weight
    assert [name for name, _ in tied.named_parameters()] == ["one.weight", "one.bias", "two.bias"]
    twin = copy.deepcopy(tied)
    assert twin.two.weight is twin.one.weight
    assert twin.one.weight is not tied.one.weight


def test_assigning_again_replaces_and_deleting_removes() -> None:
    net = nn.Module()
    net.a = nn.Parameter(np.ones(2))
    net.b = nn.Parameter(np.ones(2))
    net.a = nn.Linear(1, 1)
    assert [name for name, _ in net.named_parameters()] == ["b", "a.weight", "a.bias"]
    net.b = None
    assert [name for name, _ in net.named_parameters()] == ["a.weight", "a.bias"]
    net.b = nn.Parameter(np.zeros(3))
    del net.a
    assert [name for name, _ in net.named_parameters()] == ["b"]
    net.register_parameter("c", None)
    net.add_module("d", nn.ReLU())
    assert list(net.state_dict()) == ["b"]
    assert net.c is None


def test_what_cannot_be_assigned() -> None:
    net = Net()
    with pytest.raises(TypeError, match=r"Net\.scale is a parameter, so it can be set to an nn\.Parameter or None"):
        net.scale = tg.ones(1)
    with pytest.raises(TypeError, match=r"set to an nn\.Module"):
        net.first = 3
    with pytest.raises(TypeError, match="set to a tensor"):
        net.seen = 3.0
    net.seen = tg.ones(())
    assert net.state_dict()["seen"].item() == 1.0
    with pytest.raises(TeachgradError, match="has an attribute `train` already"):
        net.train = nn.Linear(1, 1)  # type: ignore[method-assign, assignment]
    with pytest.raises(TeachgradError, match="dot"):
        net.add_module("a.b", nn.ReLU())


def test_forgetting_super_init_does_no_harm() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(2, 2)

    assert [name for name, _ in Forgetful().named_parameters()] == ["fc.weight", "fc.bias"]


def test_parameters_in_plain_lists_are_warned_of() -> None:
    net = nn.Module()
    net.hidden = [nn.Linear(2, 2)]
    with pytest.warns(UserWarning, match=r"`hidden` is a plain list.*nn\.ModuleList"):
        assert list(net.parameters()) == []
    other = nn.Module()
    other.inner = nn.Module()
    other.inner.weights = {"a": nn.Parameter(np.ones(1))}
    with pytest.warns(UserWarning, match=r"`inner.weights` is a plain dict.*nn\.ParameterList"):
        list(other.parameters())
    known = nn.Module()
    known.a = nn.Linear(2, 2)
    known.order = [known.a, known.a.weight]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(known.parameters())


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"Module has no forward\(\)"):
        nn.Module()(1)
    with pytest.raises(NotImplementedError, match=r"ModuleList has no forward\(\)"):
        nn.ModuleList([])(1)


def test_training_mode_reaches_everything() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())


def test_gradients_are_forgotten_or_filled() -> None:
    net = Net()
    net(tg.ones((3, 2))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all(not p.grad.numpy().any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_freezing() -> None:
    net = Net()
    net.blocks.requires_grad_(False)
    net(tg.ones((3, 2))).sum().backward()
    assert {name for name, p in net.named_parameters() if p.grad is None} == {
        name for name in NAMES if "blocks" in name
    }


def test_apply_visits_children_first() -> None:
    seen: list[str] = []
    Block(2).apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["LayerNorm", "Linear", "Block"]


def test_conversion_keeps_parameters_and_ties() -> None:
    net = Net()
    net.count = 3
    net.register_buffer("number", tg.tensor(np.array(3)))
    weight = net.first.weight
    net(tg.ones((1, 2))).sum().backward()
    net.double()
    assert net.first.weight is weight
    assert {str(t.dtype) for t in net.state_dict().values()} == {"float64", "int64"}
    assert weight.grad is not None
    assert weight.grad.dtype == np.float64
    assert net(tg.ones((1, 2), dtype=tg.float64)).dtype == np.float64
    assert net.to("float32").first.weight.dtype == np.float32
    assert net.float() is net.astype(np.float32)
    with pytest.raises(TypeError, match="not to int64"):
        net.to(np.int64)


def test_hooks_come_before_and_after_and_can_be_removed() -> None:
    layer = nn.Linear(2, 2)
    seen: list[Any] = []
    x = tg.ones((1, 2))
    plain = layer(x).numpy()
    before = layer.register_forward_pre_hook(lambda module, args: (args[0] * 2.0,))
    after = layer.register_forward_hook(lambda module, args, result: seen.append((module, args[0].numpy().tolist())))
    with layer.register_forward_hook(lambda module, args, result: result * 0.0):
        assert not layer(x).numpy().any()
    assert seen == [(layer, [[2.0, 2.0]])]
    before()
    np.testing.assert_array_equal(layer(x).numpy(), plain)
    assert len(seen) == 2
    after.remove()
    after.remove()
    layer(x)
    assert len(seen) == 2
    single = layer.register_forward_pre_hook(lambda module, args: args[0] * 3.0)
    np.testing.assert_array_equal(layer(x).numpy(), (layer.forward(x * 3.0)).numpy())
    single()


def test_the_repr_is_a_tree_with_the_number_of_parameters() -> None:
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), Block(16))
    net[2].requires_grad_(False)
    assert repr(net) == "\n".join([
        "Sequential(",
        "  (0): Linear(in_features=2, out_features=16, bias=True)",
        "  (1): Tanh()",
        "  (2): Block(",
        "    (norm): LayerNorm((16,), eps=1e-05, elementwise_affine=True)",
        "    (fc): Linear(in_features=16, out_features=16, bias=True)",
        "  )",
        ")  # 352 parameters, 48 of them trained",
    ])  # fmt: skip
    assert repr(nn.Linear(2, 3, bias=False)) == "Linear(in_features=2, out_features=3, bias=False)"


def test_a_state_shares_memory_and_a_copy_does_not() -> None:
    layer = nn.Linear(2, 2)
    state = layer.state_dict()
    kept = copy.deepcopy(state)
    with tg.no_grad():
        layer.weight.fill_(7.0)
    assert state["weight"].numpy().tolist() == [[7.0, 7.0], [7.0, 7.0]]
    assert not state["weight"].requires_grad
    layer.load_state_dict(kept)
    assert (layer.weight.numpy() != 7.0).all()


def test_loading_takes_arrays_and_keeps_dtypes() -> None:
    layer = nn.BatchNorm1d(2)
    numbers = {name: np.full(tensor.shape, 3) for name, tensor in layer.state_dict().items()}
    difference = layer.load_state_dict(numbers)
    assert difference == ([], [])
    assert layer.weight.dtype == np.float32
    assert layer.weight.numpy().tolist() == [3.0, 3.0]
    assert layer.num_batches_tracked.item() == 3


def test_loading_what_does_not_fit_changes_nothing() -> None:
    net = Net()
    before = copy.deepcopy(net.state_dict())
    state = dict(copy.deepcopy(before))
    state["first.wieght"] = state.pop("first.weight")
    state["head.weight"] = tg.zeros((2, 4))
    state["head.bias"] = tg.zeros(1)
    with pytest.raises(StateError) as error:
        net.load_state_dict(state)
    text = str(error.value)
    assert "missing: first.weight (is it first.wieght?)" in text
    assert "unexpected: first.wieght (is it first.weight?)" in text
    assert "unexpected: head.bias" in text
    assert "shape: head.weight is (1, 4) in Net, but (2, 4) in the state" in text
    for name, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name].numpy())
    layer = nn.BatchNorm1d(2)
    state = {**layer.state_dict(), "num_batches_tracked": np.array(1.5)}
    with pytest.raises(StateError, match="dtype: num_batches_tracked is int64"):
        layer.load_state_dict(state)


def test_loading_in_part() -> None:
    layer = nn.Linear(2, 2)
    difference = layer.load_state_dict({"weight": np.ones((2, 2)), "other": np.ones(3)}, strict=False)
    assert difference.missing_keys == ["bias"]
    assert difference.unexpected_keys == ["other"]
    assert layer.weight.numpy().tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_modules_can_be_copied_and_pickled() -> None:
    net = Net()
    x = tg.ones((1, 2))
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin(x).numpy(), net(x).numpy())
        with tg.no_grad():
            twin.scale.fill_(0.0)
        assert net(x).numpy().any()


def test_a_module_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        net = Net()
        gone = weakref.ref(net)
        net(tg.ones((1, 2))).sum().backward()
        del net
        assert gone() is None
    finally:
        gc.enable()
