"""Reviews of Amazon, read and imported: lines a minute of one core, and memory.

    python benchmarks/importing.py --reviews 1000000

Writes reviews in the layout of each release into a temporary folder (words at random, 20 to 160 a review), reads and
imports them, and prints a table. Seconds are the processor's, so that a busy machine does not count.
"""

from __future__ import annotations

import gzip
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from ckd_plugins.domains.importers import Importer, ImportLog, import_dataset
from ckd_plugins.domains.importers.amazon import Amazon

WORDS = (
    "the",
    "a",
    "of",
    "good",
    "product",
    "works",
    "great",
    "love",
    "very",
    "nice",
    "would",
    "buy",
    "again",
    "price",
)
KINDS = (("2018, JSON", 2018, json.dumps), ("2023, JSON", 2023, json.dumps), ("2014, literals", 2014, repr))


def reviews(count: int, release: int) -> Iterator[dict[str, object]]:
    """Reviews by a few users and of a few items mostly, as in any shop."""
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(20, 160))) for _ in range(5000)]
    for _ in range(count):
        user = f"A{int(rng.expovariate(25 / count)):013d}"
        item = f"B{int(rng.expovariate(125 / count)):09d}"
        seconds, stars, text = (
            1_300_000_000 + 86_400 * rng.randint(0, 2000),
            float(rng.randint(1, 5)),
            rng.choice(texts),
        )
        if release == 2023:
            about: dict[str, object] = {"rating": stars, "title": text[:40], "text": text, "images": []}
            about |= {"asin": item, "parent_asin": item, "user_id": user, "timestamp": 1000 * seconds}
            yield {**about, "helpful_vote": 0, "verified_purchase": True}
        else:
            about = {"reviewerID": user, "asin": item, "reviewerName": "N. N.", "helpful": [0, 0], "reviewText": text}
            yield {**about, "overall": stars, "summary": text[:30], "unixReviewTime": seconds}


def seconds_of(work: Callable[[], object]) -> float:
    """Processor time."""
    started = time.process_time()
    work()
    return time.process_time() - started


def exhaust(importer: Importer) -> None:
    """Read all interactions and keep none."""
    for _ in importer.interactions(ImportLog()):
        pass


@click.command()
@click.option("--reviews", "count", default=1_000_000, show_default=True)
def main(count: int) -> None:
    """Write, read, import, print."""
    print("| reviews | packed | read | reviews a minute | imported | memory in all |\n|---|---|---|---|---|---|")
    for name, release, spell in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "Toys.json.gz"
            with gzip.open(path, "wt", compresslevel=6) as file:
                file.writelines(f"{spell(review)}\n" for review in reviews(count, release))
            read = seconds_of(lambda path=path: exhaust(Amazon(path)))
            whole = seconds_of(lambda path=path: import_dataset(Amazon(path), path.with_name("out")))
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            packed, rate = path.stat().st_size / 1e6, count / read * 60 / 1e6
            print(f"| {name} | {packed:.0f} MB | {read:.1f} s | {rate:.1f} M | {whole:.1f} s | {memory:.0f} MB |")


if __name__ == "__main__":
    main()
