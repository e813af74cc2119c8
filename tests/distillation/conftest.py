"""A tiny signal, and references in float64 written from the equations with loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ckd_plugins.signals.base import Signal


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


class TableSignal(Signal):
    """A score for every row and item, NaN-free; counts how often it is asked."""

    def __init__(self, name, table, *, temperature=1.0, rows=None, items=None, pairs=None):
        self.name, self.temperature, self.table = name, temperature, table
        self.rows = torch.ones(len(table), dtype=torch.bool) if rows is None else rows
        self.items = torch.ones(table.shape[1], dtype=torch.bool) if items is None else items
        self.pairs = pairs
        self.asked = []

    def scores(self, rows, candidates):
        self.asked.append(len(rows))
        shared = candidates.expand(len(rows), -1) if candidates.ndim == 1 else candidates
        return self.table[rows[:, None], shared]

    def known(self, rows):
        return self.rows[rows]

    def known_items(self, candidates, rows=None):
        if self.pairs is not None and rows is not None:
            shared = candidates.expand(len(rows), -1) if candidates.ndim == 1 else candidates
            return self.pairs[rows[:, None], shared]
        return self.items[candidates]


@pytest.fixture
def table_signal():
    return TableSignal


class Reference:
    """The equations of DESIGN.md, "One batch", in float64 with loops over lists."""

    @staticmethod
    def softmax(logits, allowed=None):
        allowed = range(len(logits)) if allowed is None else [j for j, ok in enumerate(allowed) if ok]
        top = max(logits[j] for j in allowed)
        total = sum(math.exp(logits[j] - top) for j in allowed)
        return np.array([math.exp(logits[j] - top) / total if j in allowed else 0.0 for j in range(len(logits))])

    @staticmethod
    def kl(p, q):
        return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)

    @classmethod
    def js(cls, p, q):
        m = (np.asarray(p) + np.asarray(q)) / 2
        return cls.kl(p, m) / 2 + cls.kl(q, m) / 2

    @classmethod
    def opinions(cls, logits, known, target, mask=None):
        """P [K][B], confidence [K, B], consistency [K, B] over the known teachers."""
        teachers, rows = len(logits), len(logits[0])
        p = [
            [cls.softmax(logits[k][b], None if mask is None else mask[k][b]) for b in range(rows)]
            for k in range(teachers)
        ]
        confidence, consistency = np.zeros((teachers, rows)), np.zeros((teachers, rows))
        for b in range(rows):
            knowing = [k for k in range(teachers) if known[k][b]]
            for k in knowing:
                others = [m for m in knowing if m != k]
                few = len(p[k][b]) if mask is None else sum(map(bool, mask[k][b]))
                own = p[k][b][target[b]]  # of odds against it, as many more as there are more candidates
                against = (1 - own) * (len(p[k][b]) - 1) / max(1, few - 1)
                confidence[k, b] = own / (own + against) if own else 0.0
                consistency[k, b] = 1.0
                if others:
                    mean = sum(p[m][b] for m in others) / len(others)
                    consistency[k, b] = 1 - cls.js(p[k][b], mean) / math.log(2)
        return p, confidence, consistency

    @staticmethod
    def weights(score, known, gamma):
        result = np.zeros_like(score)
        for b in range(score.shape[1]):
            knowing = [k for k in range(len(score)) if known[k][b]]
            total = sum(math.exp(score[k, b] / gamma) for k in knowing)
            for k in knowing:
                result[k, b] = math.exp(score[k, b] / gamma) / total
        return result

    @staticmethod
    def gate(score, known):
        raw = np.zeros(score.shape[1])
        for b in range(score.shape[1]):
            knowing = [k for k in range(len(score)) if known[k][b]]
            raw[b] = sum(score[k, b] for k in knowing) / len(knowing) if knowing else 0.0
        rows = [b for b in range(len(raw)) if any(known[k][b] for k in range(len(score)))]
        return raw / (sum(raw[b] for b in rows) / len(rows))


@pytest.fixture
def reference():
    return Reference
