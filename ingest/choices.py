"""What a user chooses by name or by file: which formats to read, the mapping of a log, the prices."""

from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import IngestError, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.prices.elsewhere import Alternatives
    from ingest.prices.price import Prices
    from parsers import Format
    from parsers.mapping.mapping import Mapping

    Mappings = str | Path | Iterable[str | Path] | None
    """One file, some, or none."""


def formats_of(name: str | None, mappings: "Sequence[Mapping]" = ()) -> "Sequence[Format]":
    """Return the formats to read: those that *mappings* describe, in their order, the one called *name*, or all.

    Raises:
        IngestError: There is no such format.
    """
    if mappings:
        from parsers.mapping.mapping import format_of

        return [format_of(mapping) for mapping in mappings]
    from parsers import FORMATS

    if not name:
        return FORMATS
    chosen = [f for f in FORMATS if f.name == name]
    if not chosen:
        raise IngestError(f"no format {name!r}; known are {', '.join(sorted(f.name for f in FORMATS))}")
    return chosen


def mappings_in(files: "Mappings") -> "list[Mapping]":
    """Return the mappings that the TOML *files* describe, in their order.

    Raises:
        IngestError: One can't be read, something in it is wrong, or two describe formats of one name.
    """
    named: dict[str, Mapping] = {}
    for file in [files] if isinstance(files, str | Path) else files or ():
        mapping = mapping_in(file)
        if (other := named.setdefault(mapping.name, mapping)) is not mapping:
            raise IngestError(f"{other.file} and {file} both describe `{mapping.name}`: give one another `name = …`")
    return list(named.values())


def mapping_in(file: str | Path) -> "Mapping":
    """Return the mapping that the TOML *file* describes.

    Raises:
        IngestError: It can't be read, or something in it is wrong.
    """
    from parsers.mapping.toml import MappingError, mapping_of
    from parsers.values.by_hand import text_of

    try:
        return mapping_of(text_of(Path(file)), str(file))
    except OSError as error:
        raise IngestError(f"cannot read mapping {file}: {reason(error)}; check the path") from error
    except UnicodeDecodeError as error:
        raise IngestError(f"mapping {file} is not UTF-8; save it as UTF-8") from error
    except MappingError as error:
        raise IngestError(str(error)) from error


def check_host(host: str | None) -> None:
    """See that *host* can be part of a name.

    Raises:
        IngestError: It can't.
    """
    if host is not None and not (host and host.isprintable() and not set(host) & set("@#/ ")):
        raise IngestError(f"--host {host!r}: a host is called by letters, digits, dots and dashes, such as web-1")


def own_file(warehouse: str | Path, name: str) -> Path | None:
    """Return the file of this machine that holds what users put under *name* into *warehouse*; None if they didn't.

    Raises:
        WarehouseError: It can't be looked into.
    """
    from ingest.warehouse.storage.store import ADDRESS, at

    if ADDRESS in str(warehouse):
        store = at(warehouse)
        return store.file(name) if store.find(name) else None
    file = Path(warehouse, name)
    return file if file.exists() else None


def allow_labels(warehouse: str | Path) -> None:
    """Let texts with blanks pass under the names that the user calls labels, in `privacy.toml` of the warehouse.

    Raises:
        IngestError: The file can't be read, or has something else than `labels`.
    """
    file = own_file(warehouse, "privacy.toml")
    if file is None:
        return
    from parsers.values.by_hand import text_of, toml_of
    from parsers.values.privacy import extend_labels

    try:
        listed = toml_of(text_of(file))
    except (OSError, ValueError) as error:
        raise IngestError(
            f'cannot read {file}: {reason(error)}; it takes one line such as `labels = ["squad"]`'
        ) from error
    labels = listed.pop("labels", [])
    if listed or not isinstance(labels, list) or not all(isinstance(name, str) for name in labels):
        raise IngestError(f'{file} takes one line such as `labels = ["squad"]`: names of fields, as text')
    extend_labels(labels)


def prices_of(file: str | Path | None, warehouse: str | Path) -> "Prices":
    """Return the price table: the user's own prices from *file*, else from the warehouse, over the built-in ones.

    Raises:
        IngestError: The own prices can't be read, or aren't prices.
    """
    from ingest.prices.installed import usual_file
    from ingest.prices.price import load_prices

    return load_prices(Path(file) if file else own_file(warehouse, "prices.toml"), kept=usual_file())


def alternatives(warehouse: str | Path = "warehouse", prices: str | Path | None = None) -> "Alternatives":
    """Return what `queries.run` takes as `pricing` for the reports `cache` and `what-if`.

        >>> import ingest, queries
        >>> with queries.connect("warehouse") as connection:
        ...     pricing = ingest.alternatives("warehouse")
        ...     found = queries.run(connection, "what-if", pricing=pricing, tier="batch").frame
        >>> found.select("model", "calls", "unpriced_calls").row(0)
        ('gpt-5.2', 125, 0)

    Raises:
        IngestError: The own prices, in the file *prices* or in the warehouse, can't be read, or aren't prices.
    """
    from ingest.prices.elsewhere import Alternatives

    return Alternatives(prices_of(prices, warehouse))
