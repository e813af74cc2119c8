"""Files of knowledge that was made elsewhere: read as columns, matched with a domain by tokens."""

from __future__ import annotations
