"""The envelopes that are known: how a wrapped line is told, where in it the line is, what else it says.

Each is data: JSON around a text (`holds="text"`), around an object that is the record (`"object"`), around
arrays of these (`items`). Text before a line is in `prefixes`. One may be in another: each is taken off in
turn.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

FACTS = ("time", "host", "container", "pod", "namespace", "stream", "service")
"""What an envelope may say of a line. Nothing else of it is kept."""

_KUBERNETES = {
    "host": ("kubernetes.host", "kubernetes.node_name", "kubernetes.pod_node_name", "kubernetes.node.name"),
    "pod": ("kubernetes.pod_name", "kubernetes.pod.name"),
    "namespace": ("kubernetes.namespace_name", "kubernetes.namespace", "kubernetes.pod_namespace"),
    "container": ("kubernetes.container_name", "kubernetes.container.name"),
}


def _labels(where: str) -> dict[str, tuple[str, ...]]:
    """Return what the labels of Loki say, which are at *where*."""
    names = {
        "host": ("host", "hostname", "node_name", "instance"),
        "pod": ("pod",),
        "namespace": ("namespace",),
        "container": ("container",),
        "service": ("service_name", "app", "job"),
        "stream": ("stream",),
    }
    return {fact: tuple(f"{where}.{name}" for name in labels) for fact, labels in names.items()}


@dataclass(frozen=True, eq=False)
class Mark:
    """A mark of an envelope: one of the *keys*, which are quoted, and what the regex *then* says of its value."""

    keys: tuple[str, ...]
    then: str = ""

    @cached_property
    def pattern(self) -> str:
        """Return the regex that matches the JSON of a line with this mark."""
        return rf"(?:{'|'.join(map(re.escape, self.keys))})\s*:\s*{self.then}"


@dataclass(frozen=True, eq=False)
class Envelope:
    """JSON around a line.

    Attributes:
        name: what the column `format` ends in, after a `+`.
        marks: all are in the JSON of a wrapped line.
        place: where the line is, best first, as `fields.path` reads it.
        holds: what is there: `text` or `object`.
        items: for many lines in one: the arrays below each other in whose items they are; `place` is in the last.
        listed: whether an item is an array itself; places are then numbers, from 0.
        shared: what is said of all lines of an array, as `says`; the places are in the object that holds the last one.
        lacks: a mark that is in no wrapped line.
        says: for each of `FACTS` the places where it is.
        sure: whether the marks alone tell. Else a record of a format's own is no envelope, and a text must look like
            one to be taken for a line.
        partial: how a piece of a longer line is told: `newline` (a whole line ends in one), or a place that is true.
        keys: `pascal` where the object's keys begin with a capital.
    """

    name: str
    marks: tuple[Mark, ...]
    place: tuple[str, ...]
    holds: str = "text"
    lacks: Mark | None = None
    says: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sure: bool = True
    partial: str | None = None
    keys: str | None = None
    items: tuple[str, ...] = ()
    listed: bool = False
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def may_be(self, keys: Collection[str]) -> bool:
        """Tell whether lines with these *keys* may be in it."""
        return all(any(key in keys for key in mark.keys) for mark in self.marks)


def _key(*names: str, then: str = "") -> Mark:
    return Mark(tuple(f'"{name}"' for name in names), then)


def _streams(mark: Mark, where: str) -> Envelope:
    """Return the envelope of Loki's streams, an array that is *where*: labels, and lines as pairs of time and text."""
    return Envelope(
        "loki",
        (mark, _key("values", then=r"\[")),
        ("1",),
        says={"time": ("0",)},
        items=(where, "values"),
        listed=True,
        shared=_labels("stream"),
    )


_TEXT = r'"'
_OBJECT = r"\{"

ENVELOPES = (
    Envelope(
        "docker",
        (_key("log", then=_TEXT), _key("stream", then='"std(?:out|err)"'), _key("time", then=_TEXT)),
        ("log",),
        lacks=_key("kubernetes", "date", "@timestamp", "container_id", "tag"),
        says={"time": ("time",), "stream": ("stream",)},
        partial="newline",
    ),
    Envelope(
        "docker",  # with labels and a tag, that the daemon was told to add
        (_key("log", then=_TEXT), _key("attrs", then=_OBJECT), _key("time", then=_TEXT)),
        ("log",),
        says={
            "time": ("time",),
            "stream": ("stream",),
            "container": ("attrs.tag", 'attrs."com.docker.container.name"'),
            "service": ('attrs."com.docker.compose.service"', 'attrs."com.docker.swarm.service.name"'),
        },
        partial="newline",
    ),
    Envelope(
        "fluent-bit",
        (_key("log", then=_TEXT), _key("kubernetes", "date", "_p")),
        ("log",),
        says={"time": ("date", "time", '"@timestamp"', "timestamp"), "stream": ("stream",), **_KUBERNETES},
    ),
    Envelope(
        "fluentd",
        (_key("log", then=_TEXT), _key("container_id", "container_name")),
        ("log",),
        says={
            "time": ("time", '"@timestamp"', "timestamp"),
            "stream": ("source", "stream"),
            "container": ("container_name",),
            "host": ("host", "hostname"),
        },
        partial="partial_message",
    ),
    Envelope(
        "journald",
        (_key("MESSAGE", then=r'["\[]'), _key("__REALTIME_TIMESTAMP")),
        ("MESSAGE",),
        says={
            "time": ("__REALTIME_TIMESTAMP",),
            "host": ("_HOSTNAME",),
            "container": ("CONTAINER_NAME",),
            "service": ("_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER"),
        },
        partial="CONTAINER_PARTIAL_MESSAGE",
    ),
    Envelope(
        "gcp",
        (_key("textPayload", then=_TEXT), _key("logName", "insertId", "resource")),
        ("textPayload",),
        says={
            "time": ("timestamp", "receiveTimestamp"),
            "pod": ("resource.labels.pod_name",),
            "namespace": ("resource.labels.namespace_name",),
            "container": ("resource.labels.container_name",),
            "service": ("resource.labels.service_name",),
            "host": ("resource.labels.node_name", "resource.labels.instance_id"),
        },
    ),
    Envelope(
        "gcp",
        (_key("jsonPayload", then=_OBJECT), _key("logName", "insertId", "resource")),
        ("jsonPayload",),
        "object",
        says={
            "time": ("timestamp", "receiveTimestamp"),
            "pod": ("resource.labels.pod_name",),
            "namespace": ("resource.labels.namespace_name",),
            "container": ("resource.labels.container_name",),
            "service": ("resource.labels.service_name",),
            "host": ("resource.labels.node_name", "resource.labels.instance_id"),
        },
    ),
    Envelope(
        "elasticsearch",
        (_key("_source", then=_OBJECT), _key("_index", then=_TEXT)),
        ("_source",),
        "object",
        says={"time": ('_source."@timestamp"',)},
    ),
    Envelope(
        "filebeat",
        (_key("@timestamp", then=_TEXT), _key("json", then=_OBJECT)),
        ("json",),
        "object",
        says={
            "time": ('"@timestamp"',),
            "host": ("host.name", "host.hostname", "agent.hostname"),
            "container": ("container.name",),
            "service": ("service.name",),
            "stream": ("stream",),
            **{name: places for name, places in _KUBERNETES.items() if name in ("pod", "namespace")},
        },
    ),
    Envelope(
        "filebeat",
        (
            _key("@timestamp", then=_TEXT),
            _key("message", then=_TEXT),
            _key("@metadata", "agent", "input", "log", "ecs"),
        ),
        ("message",),
        says={
            "time": ('"@timestamp"',),
            "host": ("host.name", "host.hostname", "agent.hostname"),
            "container": ("container.name",),
            "service": ("service.name",),
            "stream": ("stream",),
            **{name: places for name, places in _KUBERNETES.items() if name in ("pod", "namespace")},
        },
        sure=False,
    ),
    Envelope(
        "cloudwatch",
        (_key("logEvents", then=r"\["), _key("logStream", "logGroup", then=_TEXT)),
        ("message",),
        says={"time": ("timestamp",)},
        items=("logEvents",),
        shared={"service": ("logStream",)},
    ),
    Envelope(
        "hclog",  # HashiCorp's loggers
        (_key("@message", then=_TEXT), _key("@level", then=_TEXT), _key("@timestamp", then=_TEXT)),
        ('"@message"',),
        says={"time": ('"@timestamp"',), "service": ('"@module"',)},
        sure=False,
    ),
    Envelope(
        "cloudwatch",
        (
            _key("logStreamName", "ingestionTime", "eventId", "@message", "@ptr"),
            _key("message", "@message", then=_TEXT),
        ),
        ("message", '"@message"'),
        says={"time": ("timestamp", '"@timestamp"'), "service": ("logStreamName", '"@logStream"')},
    ),
    _streams(_key("streams", then=r"\["), "streams"),  # what is pushed to Loki
    _streams(_key("resultType", then='"streams"'), "data.result"),  # what its API answers
    Envelope(
        "loki",
        (_key("line", then=_TEXT), _key("timestamp"), _key("labels", then=_OBJECT)),
        ("line",),
        says={"time": ("timestamp",), **_labels("labels")},
    ),
    Envelope(
        "otel",
        (_key("resourceLogs", then=r"\["), _key("body", then=_OBJECT)),
        ("body.stringValue",),
        says={"time": ("timeUnixNano", "observedTimeUnixNano")},
        sure=False,
        items=("resourceLogs", "scopeLogs", "logRecords"),
    ),
    Envelope(
        "datadog",
        (_key("content", then=_OBJECT), _key("message", then=_TEXT), _key("tags", "service", "host", "status")),
        ("content.message",),
        says={"time": ("content.timestamp",), "host": ("content.host",), "service": ("content.service",)},
        sure=False,
    ),
    Envelope(
        "datadog",
        (_key("type", then='"log"'), _key("attributes", then=_OBJECT), _key("message", then=_TEXT)),
        ("attributes.message",),
        says={"time": ("attributes.timestamp",), "host": ("attributes.host",), "service": ("attributes.service",)},
        sure=False,
    ),
    Envelope(
        "datadog",
        (_key("attributes", "content", then=_OBJECT), _key("ddsource", "ddtags", "tags", "service", "host")),
        ("content.attributes", "attributes.attributes"),
        "object",
        says={
            "time": ("attributes.timestamp", "content.timestamp"),
            "host": ("attributes.host", "content.host"),
            "service": ("attributes.service", "content.service"),
        },
        sure=False,
    ),
    Envelope(
        "splunk",
        (_key("_raw", then=_TEXT),),
        ("result._raw", "_raw"),
        says={"time": ("result._time", "_time"), "host": ("result.host", "host")},
    ),
    Envelope(
        "gelf",
        (_key("short_message", then=_TEXT), _key("version", then='"1[.]'), _key("host", then=_TEXT)),
        ("short_message", "full_message"),
        says={
            "time": ("timestamp",),
            "host": ("host",),
            "container": ("_container_name",),
            "service": ("_facility", "facility"),
        },
    ),
    Envelope(
        "azure",  # diagnostic settings, to an event hub or a storage account
        (
            _key("records", then=r"\["),
            _key("resultDescription", "ResultDescription", "Log", "log", "LogMessage", then=_TEXT),
        ),
        ("resultDescription", "ResultDescription", "properties.log", "properties.Log", "properties.LogMessage"),
        says={
            "time": ("time",),
            "pod": ("properties.pod",),
            "namespace": ("properties.namespace",),
            "container": ("properties.containerName", "properties.containerID"),
            "stream": ("properties.stream",),
        },
        sure=False,
        items=("records",),
    ),
    Envelope(
        "azure",  # Application Insights
        (_key("customDimensions", then=r'"\s*\{'),),
        ("customDimensions",),
        says={"time": ("timestamp", "time", "TimeGenerated"), "service": ("cloud_RoleName",)},
        sure=False,
    ),
    Envelope(
        "azure",  # Log Analytics: Container Apps, Kubernetes, App Service; by themselves or below `properties`
        (
            _key("Log_s", "Log", "LogMessage", "LogEntry", "ResultDescription", then=_TEXT),
            _key("TimeGenerated", "time", "category", then=_TEXT),
        ),
        tuple(
            f"{above}{name}"
            for name in ("Log_s", "LogMessage", "LogEntry", "Log", "ResultDescription")
            for above in ("", "properties.")
        ),
        says={
            "time": ("TimeGenerated", "time"),
            "host": ("Computer", "properties.Computer", "Host"),
            "container": ("ContainerName", "ContainerName_s", "properties.ContainerName"),
            "pod": ("PodName", "properties.PodName", "ContainerGroupName_s"),
            "namespace": ("PodNamespace", "properties.PodNamespace"),
            "stream": ("LogSource", "Stream_s", "Stream", "properties.Stream"),
            "service": ("ContainerAppName_s", "ContainerAppName", "properties.ContainerAppName"),
        },
        sure=False,
    ),
    Envelope(
        "vector",
        (_key("source_type", then=_TEXT), _key("message", then=_TEXT)),
        ("message",),
        says={
            "time": ("timestamp",),
            "host": ("host",),
            "stream": ("stream",),
            "container": ("container_name",),
            **{name: places for name, places in _KUBERNETES.items() if name in ("pod", "namespace")},
        },
        sure=False,
    ),
    Envelope(
        "loguru",
        (_key("record", then=_OBJECT), _key("extra", then=_OBJECT), _key("elapsed", then=_OBJECT)),
        ("record.extra",),
        "object",
        says={"time": ("record.time.timestamp", "record.time.repr")},
        sure=False,
    ),
    Envelope(
        "serilog",
        (_key("MessageTemplate", "RenderedMessage"), _key("Properties", then=_OBJECT)),
        ("Properties",),
        "object",
        says={"time": ("Timestamp",)},
        keys="pascal",
        sure=False,
    ),
    Envelope(
        "serilog",
        (_key("@t", then=_TEXT), _key("@m", "@mt", "@i", then=_TEXT)),
        ("",),
        "object",
        says={"time": ('"@t"',)},
        keys="pascal",
    ),
    Envelope(
        "json",  # any logger or collector that puts the line into a field for messages
        (_key("message", "msg", "log", "line", "event", then=r'"(?:\\u001b|[\s{\[<\d])'),),
        ("message", "msg", "log", "line", "event"),
        lacks=_key("role", "content", "messages", "parts"),
        says={
            "time": ("timestamp", "time", "ts", '"@timestamp"', "date", "datetime"),
            "host": ("hostname", "host"),
            "stream": ("stream",),
            "service": ("service", "app_name", "dyno"),
        },
        sure=False,
    ),
)
"""JSON around a line, the surest first: a line is taken for the first that it may be."""

FIRST_KEYS = (
    "@level", "@message", "@metadata", "@module", "@mt", "@ptr", "@t", "@timestamp", "CONTAINER_", "Computer",
    "Container", "Level", "Log", "MESSAGE", "MessageTemplate", "Pod", "Properties", "ResultDescription",
    "TimeGenerated", "Timestamp", "_BOOT", "_CMDLINE", "_COMM", "_EXE", "_HOSTNAME", "_MACHINE", "_PID", "_SYSTEMD",
    "_TRANSPORT", "_UID", "__CURSOR", "__MONOTONIC", "__REALTIME", "_id", "_index", "_p", "_raw", "_source",
    "_time", "agent", "app_name", "attributes", "attrs", "category", "container", "content", "data", "date",
    "ddsource", "ddtags", "ecs", "event", "eventId", "file", "full_message", "host", "hostname", "httpRequest",
    "id", "ingestionTime", "input", "insertId", "json", "jsonPayload", "kubernetes", "labels", "level", "line",
    "log", "logEvents", "logGroup", "logName", "logStream", "message", "messageType", "msg", "operation", "owner",
    "preview", "process_id", "receiveTimestamp", "record", "resource", "resourceLogs", "result", "service",
    "severity", "short_message", "source", "source_type", "status", "stream", "streams", "tag", "text",
    "textPayload", "time", "timestamp", "type", "version",
)  # fmt: skip
"""Keys that an envelope may begin with. Other lines are not looked at further."""
