"""What the pinned deltalake does, and others did not: of two compactions one loses, and a checkpoint is whole."""

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError


def test_a_compaction_on_an_old_snapshot_raises_and_doubles_nothing(tmp_path):
    for n in range(4):
        write_deltalake(str(tmp_path), pl.DataFrame({"n": [n]}).to_arrow(), mode="append")
    one, two = DeltaTable(str(tmp_path)), DeltaTable(str(tmp_path))
    one.optimize.compact()

    with pytest.raises(CommitFailedError):
        two.optimize.compact()

    assert sorted(pl.read_delta(str(tmp_path))["n"]) == [0, 1, 2, 3]


def test_a_checkpoint_by_a_snapshot_without_its_files_lists_them_all(tmp_path):
    for n in range(4):
        write_deltalake(str(tmp_path), pl.DataFrame({"n": [n]}).to_arrow(), mode="append")
    DeltaTable(str(tmp_path), without_files=True).create_checkpoint()
    for entry in (tmp_path / "_delta_log").glob("*.json"):
        entry.unlink()

    assert sorted(pl.read_delta(str(tmp_path))["n"]) == [0, 1, 2, 3]
