"""The five workloads by name. Importing them imports no framework: a contestant imports its own when it is built."""

from __future__ import annotations

from ..workload import Workload
from .chain import chain
from .cnn import cnn
from .gpt import gpt
from .mlp import mlp
from .moons import moons

WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in (moons, mlp, cnn, gpt, chain)}
