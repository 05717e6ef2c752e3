"""Take one promise out of the code at a time and see that a test notices.

python tests/mutations.py [PART OF A NAME]
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

MUTATIONS = {
    "the order of calls of one instant, whichever thread brings them": (
        "queries/answers/rate_limits.py",
        "        if same.any():\n",
        "        if False:\n",
        "tests/test_limits.py",
    ),
    "the check of offsets before a commit": (
        "ingest/warehouse/table.py",
        "            if self._differ(expected) or self._lacks(gone):\n",
        "            if self._lacks(gone):\n",
        "tests/test_warehouse.py",
    ),
    "the commit on top of exactly the snapshot that was read": (
        "ingest/warehouse/table.py",
        "                entry = self.log.entry(self.version + 1)\n",
        "                self.refresh()\n                entry = self.log.entry(self.version + 1)\n",
        "tests/test_warehouse.py",
    ),
    "the look whether the log has forgotten what was built on": (
        "ingest/warehouse/table.py",
        "self._tag == _tag_of(self.store.find(self.newest))",
        "True",
        "tests/test_maintenance.py",
    ),
    "the second look before a checkpoint is said to be missing": (
        "ingest/warehouse/delta_log.py",
        " and version > max(self.look().checkpoints, default=-1)",
        "",
        "tests/test_maintenance.py",
    ),
    "the wait of a last line without an end, though it is an object": (
        "ingest/following/tracked.py",
        "    return is_object(rest) and is_ended(stream)\n",
        "    return is_object(rest)\n",
        "tests/test_joint.py",
    ),
    "the end of lines only where an object stands": (
        "ingest/following/tracked.py",
        "    return is_object(rest) and is_ended(stream)\n",
        "    return is_ended(stream)\n",
        "tests/test_joint.py",
    ),
    "the naming of a new source before its rows": (
        "ingest/warehouse/warehouse.py",
        "            self._name(claimed)\n",
        "            pass\n",
        "tests/test_identity.py tests/test_warehouse.py",
    ),
    "the comparison of the bytes before the offset": (
        "ingest/files/identity.py",
        "    return len(before) == min(position.offset, TAIL) and tail_hash(before) == position.tail\n",
        "    return len(before) == min(position.offset, TAIL)\n",
        "tests/test_follow.py",
    ),
    "the comparison of records with those of a source that begins alike": (
        "ingest/reading/intake.py",
        "            known = known_part(cursor.path, cursor.stream, self.formats, self.ledger)\n",
        "",
        "tests/test_copies.py",
    ),
    "the comparison of a document with what its path has stored": (
        "ingest/reading/rewritten.py",
        '    return rows.filter(marks["number"] >= known)\n',
        "    return rows\n",
        "tests/test_rewritten.py",
    ),
    "the turns of those who read a document": (
        "ingest/warehouse/warehouse.py",
        "            expected[turn.name + _TURN] = turn.number or None\n",
        "            expected[turn.name + _TURN] = self.turns(turn.name) or None\n",
        "tests/test_rewritten.py",
    ),
    "the question whether anything tells a log from its copy": (
        "ingest/reading/intake.py",
        "            self._doubtful[cursor.label] = copy\n",
        "            pass\n",
        "tests/test_doubtful_copies.py",
    ),
    "the path that tells equal logs apart": (
        "ingest/reading/copies.py",
        "    source = names.source_at(path) if len(rivals) > 1 else None\n",
        "    source = None\n",
        "tests/test_doubtful_copies.py",
    ),
    "the search for rotated files by what they hold": (
        "ingest/files/generations.py",
        "        paths = {candidate.path for candidate in found}\n",
        "        found, paths = [], set()\n",
        "tests/test_generations.py",
    ),
    "the line that says what is missing": (
        "ingest/reading/succession.py",
        "        if source is None or source in self._met:\n",
        "        if True:\n",
        "tests/test_generations.py",
    ),
    "the rule when a last line is complete": (
        "ingest/files/streams.py",
        "    return quiet_seconds >= QUIET_SECONDS and stream.has_writer() is not True\n",
        "    return True\n",
        "tests/test_records_on_disk.py",
    ),
    "the question whether anybody could still write": (
        "ingest/files/streams.py",
        " and stream.has_writer() is not True",
        "",
        "tests/test_records_on_disk.py",
    ),
    "the last look for files whose names moved": (
        "ingest/history/backfill.py",
        "if key and key not in self.met]",
        "if False]",
        "tests/test_moving_names.py",
    ),
    "the question whether a name still denotes the file that was listed": (
        "ingest/following/tracked.py",
        "    if key_of(status) != file.key != key_of(file.path.stat()):\n",
        "    if False:\n",
        "tests/test_moving_names.py",
    ),
    "the reading of a packed file from the beginning as itself": (
        "ingest/files/streams.py",
        "            self._source.rewind()\n",
        '            self._source = Unpacker(open(self._name, "rb"), self._source._opener)\n',
        "tests/test_moving_names.py",
    ),
    "the fsync": (
        "ingest/warehouse/storage/local.py",
        "        os.fsync(descriptor)\n",
        "        pass\n",
        "tests/test_durability.py",
    ),
    "the fsync of what a dead writer left in a side table": (
        "ingest/warehouse/warehouse.py",
        "            table.settle()  # what is there already may be of a writer that died before it was durable\n",
        "",
        "tests/test_power_cuts.py",
    ),
    "the fsync of what is there already and is not committed again": (
        "ingest/reading/intake.py",
        "            self.ledger.secure()",
        "            pass",
        "tests/test_power_cuts.py",
    ),
    "the keeping of what could not be committed": (
        "ingest/reading/publisher.py",
        "            self._owed = drafts\n",
        "            for draft in drafts:\n                draft.reader.lose()\n",
        "tests/test_full_disk.py",
    ),
    "the question whether the log is still the one that was opened": (
        "ingest/warehouse/warehouse.py",
        "        return all(map(Table.is_the_same, asked.values(), map(found.get, asked)))\n",
        "        return True\n",
        "tests/test_environment.py",
    ),
    "the lock of maintenance": (
        "ingest/warehouse/storage/locks.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
        "tests/test_maintenance.py tests/test_damage.py",
    ),
    "the safe age of files": (
        "ingest/maintenance/compact.py",
        "else there[path] < written_before)",
        "else True)",
        "tests/test_maintenance.py",
    ),
    "the time that replaced files are kept for their readers": (
        "ingest/maintenance/compact.py",
        "(replaced[path] / 1000 < replaced_before if",
        "(True if",
        "tests/test_maintenance.py",
    ),
    "the bound of a block by its lines": (
        "ingest/reading/cursor.py",
        "    if line_ends(data) <= most:\n",
        "    if True:\n",
        "tests/test_bounded_memory.py",
    ),
    "the bound of an unfinished record by its lines": (
        "parsers/claims/parse.py",
        " and len(lines) - line < MAX_RECORD_LINES\n",
        "\n",
        "tests/test_bounded_memory.py",
    ),
    "the bound of a document by its values": (
        "parsers/claims/documents.py",
        "> MAX_OBJECTS or",
        "> MAX_OBJECTS and",
        "tests/test_bounded_memory.py",
    ),
    "the counting of what was never opened as behind": (
        "ingest/following/tracked.py",
        "        return max(0, file.size - max(0, file.seen[0])) + file.rest\n",
        "        return 0\n",
        "tests/test_many_files.py",
    ),
    "the turn of files that grow between those of new ones": (
        "ingest/following/follower.py",
        "last = self._growing() if self._left",
        "last = [] if self._left",
        "tests/test_many_files.py",
    ),
    "the turn of new files that are being written before that of thousands of old ones": (
        "ingest/following/follower.py",
        "new = newest(self.tracked.values())",
        "new = []",
        "tests/test_many_files.py",
    ),
    "the one source that a first line names in a fold": (
        "ingest/warehouse/inbox.py",
        "                claimed |= claims\n",
        "",
        "tests/test_bucket_inbox.py",
    ),
    "the fence before a compaction of a bucket goes on": (
        "ingest/warehouse/storage/leases.py",
        "            raise BusyError(self._explanation)\n\n    def keep",
        "            return\n\n    def keep",
        "tests/test_bucket_race.py",
    ),
    "the reading alone of what a file gained that depends on its earlier lines": (
        "ingest/reading/small_files.py",
        "cursor.is_new or cursor.contexts or cursor.needs_recall",
        "cursor.is_new",
        "tests/test_joint.py",
    ),
    "the place of what a file gained": (
        "parsers/claims/many_sources.py",
        "    moved = offsets - starts[:-1]\n",
        "    moved = -starts[:-1]\n",
        "tests/test_joint.py",
    ),
    "the forgetting that a last line had no end, before it is read with others": (
        "ingest/following/follower.py",
        "            file.waits = False\n            return False\n",
        "            return False\n",
        "tests/test_joint.py",
    ),
    "the checkpoint that stands for the entries before it": (
        "ingest/maintenance/compact.py",
        " and log.is_good(version)",
        "",
        "tests/test_maintenance.py",
    ),
}


def main(part=""):
    """Try each mutation that has *part* in its name, on a copy; fail if one goes unnoticed."""
    unnoticed = [name for name, mutation in MUTATIONS.items() if part in name and not notices(name, *mutation)]
    if unnoticed:
        sys.exit(f"unnoticed: {', '.join(unnoticed)}")


def unneeded(folder, names):
    """Return which of *names* in *folder* no test needs: what isn't ours, and the inputs of benchmarks."""
    data = {"data"} if Path(folder).name == "benchmarks" else set()
    return data.intersection(names) | shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")(folder, names)


def notices(name, file, old, new, tests):
    """Tell whether one of *tests* fails when *old* in *file* is *new*; say which."""
    with tempfile.TemporaryDirectory(prefix="ingest-mutation-") as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=unneeded)
        text = (copy / file).read_text("utf-8")
        assert old in text, f"{file} has changed: {old!r}"
        (copy / file).write_text(text.replace(old, new), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-m",
            "not slow",
            "-p",
            "no:cacheprovider",
            *tests.split(),
        ]
        environment = os.environ | {"PYTHONPATH": str(copy)}
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    red = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    sys.stdout.write(f"{name}: {red[0].split(' - ')[0] if red else 'UNNOTICED'}\n")
    sys.stdout.flush()
    return bool(red)


if __name__ == "__main__":
    main(*sys.argv[1:])
