"""Lines of calls, and what collectors, runtimes and terminals put around them, by name."""

import json

TIME = "2026-08-10T08:01:00.123456789Z"
MILLIS = 1786348860123
CLAUDE = {"input_tokens": 50, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 10}
LINES = {
    "text": (
        "[2026-08-10T08:00:05.777Z] [coder-001] INFO: LLM call to model 'claude-sonnet-4-6': latency 2.5s, "
        "request tokens: 1200, response tokens: 300, reasoning tokens: 100, total tokens: 1600, cost $0.009600 "
        "(agent: coder-001, story: 9ae50aa4, state: CODING)"
    ),
    "record": json.dumps(
        {"time": "2026-08-10T08:00:06.250Z", "msg": "llm call", "model": "gpt-4o", "input_tokens": 900}
        | {"output_tokens": 40, "duration_ms": 1200, "cost_usd": 0.0031, "user_id": "u7"}
    ),
    "response": json.dumps(
        {"id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUv", "object": "chat.completion", "created": 1786348807}
        | {"model": "gpt-4o-2024-08-06", "choices": [{"message": {"content": 'a "quoted" \\ text'}}]}
        | {"usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}}
    ),
}
TIMELESS = json.dumps(
    {"id": "msg_01AbCdEfGhIjKlMnOpQrStUv", "type": "message", "role": "assistant", "model": "claude-sonnet-4-20250514"}
    | {"content": [], "stop_reason": "end_turn", "usage": CLAUDE}
)


def as_json(**fields):
    return json.dumps({name.replace("__at_", "@"): value for name, value in fields.items()})


def in_docker(line, stream="stdout", **more):
    return as_json(log=line + "\n", stream=stream, **more, time=TIME)


KUBERNETES = {"pod_name": "app-0", "namespace_name": "prod", "container_name": "app", "host": "node-a"}
RESOURCE = {"type": "k8s_container", "labels": {"pod_name": "app-0"}}
TEXTS = {
    "docker": in_docker,
    "docker with labels": lambda line: in_docker(line, attrs={"tag": "app", "com.docker.compose.service": "api"}),
    "docker, keys sorted": lambda line: json.dumps(json.loads(in_docker(line)), sort_keys=True),
    "fluent-bit": lambda line: as_json(date=1786348860.5, log=line, stream="stdout", kubernetes=KUBERNETES),
    "fluent-bit, time as text": lambda line: as_json(date=TIME, log=line, kubernetes=KUBERNETES),
    "fluentd": lambda line: as_json(container_id="0a1b", container_name="/app", source="stdout", log=line),
    "fluentd file": lambda line: f"2026-08-10T08:01:00+00:00\tapp.log\t{as_json(message=line)}",
    "journald": lambda line: as_json(__REALTIME_TIMESTAMP=f"{MILLIS}000", _HOSTNAME="node-a", MESSAGE=line),
    "journald bytes": lambda line: as_json(__REALTIME_TIMESTAMP=f"{MILLIS}000", MESSAGE=list(f"{line}\r".encode())),
    "filebeat": lambda line: json.dumps(
        {"@timestamp": TIME, "@metadata": {"beat": "filebeat"}, "message": line, "host": {"name": "node-a"}}
    ),
    "elasticsearch hit": lambda line: json.dumps(
        {"_index": "logs", "_id": "1", "_source": {"@timestamp": TIME, "message": line, "agent": {"type": "filebeat"}}}
    ),
    "vector": lambda line: as_json(file="/app.log", host="node-a", message=line, source_type="file", timestamp=TIME),
    "cloudwatch event": lambda line: as_json(logStreamName="app/1", timestamp=MILLIS, message=line, eventId="1"),
    "cloudwatch insights": lambda line: json.dumps({"@timestamp": "2026-08-10 08:01:00.123", "@message": line}),
    "cloudwatch subscription": lambda line: as_json(
        messageType="DATA_MESSAGE",
        owner="1",
        logGroup="g",
        logStream="s",
        logEvents=[{"id": "1", "timestamp": MILLIS, "message": "starting"}, {"id": "2", "message": line}],
    ),
    "cloudwatch tail": lambda line: f"2026-08-10T08:01:00.123000+00:00 app/1/0a1b {line}",
    "cloudwatch csv": lambda line: f'{MILLIS},"' + line.replace('"', '""') + '"',
    "cloudwatch insights csv": lambda line: '2026-08-10 08:01:00.123,"' + line.replace('"', '""') + '"',
    "gcp text": lambda line: as_json(insertId="1", resource=RESOURCE, textPayload=line, timestamp=TIME, logName="l"),
    "logcli": lambda line: as_json(labels={"app": "a", "host": "node-a"}, line=line, timestamp=TIME),
    "loki push": lambda line: as_json(
        streams=[
            {"stream": {"app": "other"}, "values": [[f"{MILLIS}000000", "starting"]]},
            {
                "stream": {"app": "api", "pod": "api-1", "host": "node-a"},
                "values": [[f"{MILLIS}000000", "starting"], [f"{MILLIS}000000", line, {"trace_id": "0a1b"}]],
            },
        ]
    ),
    "loki query": lambda line: as_json(
        status="success",
        data={
            "resultType": "streams",
            "result": [{"stream": {"app": "api", "host": "node-a"}, "values": [[f"{MILLIS}000000", line]]}],
            "stats": {"summary": {"bytesProcessedPerSecond": 1}},
        },
    ),
    "datadog": lambda line: as_json(
        id="1", content={"message": line, "timestamp": TIME, "host": "node-a", "service": "api", "tags": []}
    ),
    "datadog v2": lambda line: as_json(
        id="1", type="log", attributes={"message": line, "timestamp": TIME, "service": "api"}
    ),
    "otel filelog": lambda line: as_json(
        resourceLogs=[
            {
                "resource": {},
                "scopeLogs": [{"logRecords": [{"timeUnixNano": f"{MILLIS}000000", "body": {"stringValue": line}}]}],
            }
        ]
    ),
    "gelf": lambda line: as_json(version="1.1", host="node-a", short_message=line, timestamp=1786348860.123, level=6),
    "azure container apps": lambda line: as_json(
        TimeGenerated=TIME, ContainerName_s="api", Log_s=line, Stream_s="stdout"
    ),
    "azure kubernetes": lambda line: as_json(Computer="node-a", PodName="api-1", LogMessage=line, TimeGenerated=TIME),
    "azure diagnostics": lambda line: as_json(
        time=TIME, category="ContainerAppConsoleLogs", properties={"Log": line, "Stream": "stdout"}
    ),
    "azure app service": lambda line: as_json(
        time=TIME, category="AppServiceConsoleLogs", level="Informational", ResultDescription=line, Host="node-a"
    ),
    "splunk": lambda line: as_json(preview=False, result={"_raw": line, "_time": TIME, "host": "node-a"}),
    "heroku json": lambda line: as_json(timestamp=TIME, app_name="a", dyno="web.1", message=line),
    "pm2 json": lambda line: as_json(message=line + "\n", timestamp=TIME, type="out", process_id=0, app_name="api"),
    "winston": lambda line: as_json(level="info", message=line, timestamp=TIME),
    "cri": lambda line: f"{TIME} stdout F {line}",
    "swarm": lambda line: f"api.1.abc@node-a    | {line}",
    "lambda": lambda line: f"{TIME}\t0e9c1d5a-7b1f-4a55-9a3e-5a8f6c1d2e3f\tINFO\t{line}",
    "app runner": lambda line: f"{TIME}\t{line}",
    "syslog 5424": lambda line: f"<14>1 2026-08-10T08:01:00.123Z node-a app 77 - - {line}",
    "syslog 5424 with data": lambda line: f'<14>1 {TIME} node-a app 77 m [x@1 a="b \\] c"][y z="1"] {line}',
    "syslog 3164": lambda line: f"<14>Aug 10 08:01:00 node-a app[77]: {line}",
    "journalctl short": lambda line: f"Aug 10 08:01:00 node-a app[77]: {line}",
    "journalctl short-iso": lambda line: f"2026-08-10T08:01:00+0000 node-a app[77]: {line}",
    "compose": lambda line: f"api-1       | {line}",
    "compose with times": lambda line: f"api-1  | {TIME} {line}",
    "compose coloured": lambda line: f"\x1b[36mapi-1  |\x1b[0m {line}",
    "kubectl": lambda line: f"[pod/app-0/app] {line}",
    "kubectl with times": lambda line: f"[pod/app-0/app] {TIME} {line}",
    "stern": lambda line: f"app-7d9f-x2 app {line}",
    "pm2": lambda line: f"0|app  | {line}",
    "heroku": lambda line: f"2026-08-10T08:01:00.123456+00:00 app[web.1]: {line}",
    "github actions": lambda line: f"2026-08-10T08:01:00.1234567Z {line}",
    "airflow": lambda line: f"[2026-08-10T08:01:00.123+0000] {{logging_mixin.py:150}} INFO - {line}",
    "celery": lambda line: f"[2026-08-10 08:01:00,123: WARNING/ForkPoolWorker-1] {line}",
    "celery task": lambda line: f"[2026-08-10 08:01:00,123: INFO/MainProcess] app.ask[0e9c1d5a-7b1f]: {line}",
    "dapr": lambda line: f"== APP - api == {line}",
    "gitlab": lambda line: f"2026-08-10T08:01:00.123456Z 01O {line}",
    "honcho": lambda line: f"08:01:00 web.1 | {line}",
    "render": lambda line: f"Aug 10 08:01:00 AM [x7k2p] {line}",
    "lambda of python": lambda line: f"[INFO]\t{TIME}\t0e9c1d5a-7b1f-4a55-9a3e-5a8f6c1d2e3f\t{line}",
    "hclog": lambda line: json.dumps({"@level": "info", "@message": line, "@module": "api", "@timestamp": TIME}),
    "azure event hub": lambda line: as_json(records=[{"time": TIME, "resourceId": "/S", "resultDescription": line}]),
    "blanks": lambda line: f"    {line}",
    "colours": lambda line: f"\x1b[32m{line}\x1b[0m",
    "cri around docker": lambda line: f"{TIME} stdout F {in_docker(line)}",
    "journald around compose": lambda line: as_json(__REALTIME_TIMESTAMP=f"{MILLIS}000", MESSAGE=f"api-1 | {line}"),
    "docker around colours": lambda line: in_docker(f"\x1b[1m{line}\x1b[0m"),
}
OBJECTS = {
    **{
        name: lambda record, name=name: json.dumps({"timestamp": TIME, "level": "info", "message": "m", name: record})
        for name in ("context", "metadata", "attributes", "payload", "labels", "props", "anything")
    },
    "gcp json": lambda record: as_json(insertId="1", jsonPayload=record, resource=RESOURCE, timestamp=TIME),
    "filebeat json": lambda record: json.dumps({"@timestamp": TIME, "json": record, "agent": {"type": "filebeat"}}),
    "loguru": lambda record: as_json(
        text="x", record={"elapsed": {"seconds": 1}, "extra": record, "time": {"timestamp": MILLIS / 1000}}
    ),
}
