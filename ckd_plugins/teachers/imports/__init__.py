"""Files of knowledge that was made elsewhere: read block by block, matched with a domain by tokens."""

from __future__ import annotations
