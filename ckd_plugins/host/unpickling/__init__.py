"""Pickles of other people, read without running what is in them.

A pickle is a program: it names functions and classes, and has them called. Here a name is never looked up. It becomes
a stand-in that knows what it is called (:mod:`names`); what may be done with it is a table (:mod:`known`), whose
entries give placeholders of our own (:mod:`parts`), so that no object of torch's, numpy's or RecBole's exists while the
program runs (:mod:`program`). Afterwards the placeholders that are left are checked and made into tensors, arrays and
plain values (:mod:`plain`). :mod:`container` finds the program and the numbers in the files of ``torch.save``.
"""

from __future__ import annotations

from ckd_plugins.host.unpickling.container import read_object

__all__ = ["read_object"]
