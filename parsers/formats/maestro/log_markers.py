"""The messages of a maestro.log that are events: how each begins, and what its kind means.

Messages are known by their words, never by the emoji before them or by their level, which vary from version to version.
Look-alikes (delivery of messages, git, commits, containers) also count attempts, but are about no model and no story.
"""

from typing import NamedTuple

from parsers.formats.maestro.log_line import TRAILER

_N = "[0-9]+"
_NUMBER = r"-?[0-9][0-9,.]*"
_OF = rf"(?P<attempt>{_N})/(?P<max_attempts>{_N})"
_STORY = r"(?P<story>[^\s,)]+)"
_AGENT = r"(?P<agent>[^\s,)]+)"


class Marker(NamedTuple):
    """One message. Named groups of the name of a column fill it, others go into the metadata.

    `word` is a literal that is in all such messages and in few others. `tail` is None for a message that is one line.
    Else free text follows `begins`, which may span lines and holds the reason; it ends at the last `tail` (a regex),
    or, where that is empty, with the record. `own` says that the logger is the agent that it happened to.
    """

    kind: str
    word: str
    begins: str
    tail: str | None = None
    own: bool = False


KINDS = {
    "call_started": "a call is about to be made; it is counted when it ends, as a call",
    "stream_started": "a streamed response began; no call record follows, its tokens are unknown",
    "stream_failed": "a streamed response could not begin",
    "api_retry": "a request failed and is tried again; attempt = the one about to run",
    "api_retries_exhausted": "a request failed for good; attempt = how many were made",
    "stream_retry": "like api_retry, for a streamed response",
    "stream_retries_exhausted": "like api_retries_exhausted, for a streamed response",
    "rate_limit_wait": "a call waits for the local rate limiter; long waits are logged again and again",
    "rate_limit_impossible": "a call asks for more tokens than the local rate limiter can ever give",
    "rate_limit_slot_released": "the rate limiter took back slots that nobody had returned",
    "empty_response": "the model returned nothing useful; attempt = the one that failed; names no agent",
    "empty_response_dumped": "the prompt of an empty response is printed into the log from here on",
    "empty_response_discarded": "an empty response was kept out of the conversation",
    "empty_response_retry": "the call is made again with guidance; attempt = the one about to run",
    "empty_response_failed": "both attempts were empty",
    "pause_turn": "the model paused and is resumed by another call; attempt = which resumption",
    "pause_turn_exceeded": "the model paused too often",
    "no_tool_used": "the response used no tool; attempt = how often in a row",
    "no_tool_failed": "the model used no tool even after a reminder",
    "tool_nudged": "the model is asked again to use the tool that would end its turn",
    "response_truncated": "the response hit its token limit",
    "suspended": "an agent waits because the service is unavailable",
    "suspend_timeout": "an agent waited too long for the service",
    "story_attempt_failed": "an attempt at a story failed: the one line to count; attempt = failures so far",
    "story_requeue_sent": "an agent asks for its story to be queued again",
    "story_requeue_delivered": "that request reached the architect's channel",
    "story_requeue_dropped": "that request was lost because the channel was full",
    "story_requeue_requested": "the architect takes up a request; where no story_attempt_failed follows, count this",
    "story_requeued": "a new attempt at a story was queued; attempt = failures so far",
    "story_abandoned": "a story is given up; attempt = failures so far",
    "story_retried": "a story is tried again, and why",
    "story_promoted": "a story becomes a full one, with a planning phase, on its next attempt",
    "story_orphans_requeued": "stories that nobody worked on were queued again",
    "story_review_rejected": "a budget review rejected a story; attempt = changes asked for in a row",
    "story_generation_retry": "generating stories failed and is tried again; attempt = the one about to run",
    "story_generation_invalid": "generated stories were not valid; attempt = the one that failed",
    "story_generation_failed": "generating stories failed for good",
    "story_blocked": "a story is blocked",
    "story_held": "a story waits: for a prerequisite, or until a suppression is lifted",
    "story_triaged": "what kind of failure a story had",
    "story_totals": "tokens and cost of a story as maestro summed them: to reconcile with, never to add",
    "agent_failed": "an agent failed and its story is about to be queued again",
    "agent_story_requeued": "the story of a failed agent was queued again",
    "agent_restarted": "an agent is started again",
    "session_started": "the first line that names a session",
    "session_resumed": "a session continues after a restart",
}
"""What each kind of event means."""

_SENT = rf"\(need (?P<need>{_NUMBER}), have (?P<have>{_NUMBER})"
_SLOTS = rf"\(active: (?P<active>{_N})/(?P<slots>{_N})"
_LIMITER = r"RATELIMIT: (?P<provider>\S+)"
_STREAM = r"LLM stream to model '(?P<model>[^'\n]*)'"

MARKERS = (
    Marker(
        "call_started",
        "LLM call to model '",
        rf"Starting LLM call to model '(?P<model>[^'\n]*)' with (?P<messages>{_N}) messages, "
        rf"(?P<max_tokens>{_N}) max tokens"
        rf"(?:, (?P<tools>{_N}) tools \(iteration (?P<iteration>{_N})\))?",
        own=True,
    ),
    *(
        Marker(
            "story_totals",
            "metrics: prompt tokens",
            rf"Story {_STORY} metrics: prompt tokens: (?P<prompt_tokens>{number}), completion tokens: "
            rf"(?P<completion_tokens>{number}), total tokens: (?P<total_tokens>{number}), "
            rf"total cost: \$(?P<cost_usd>{_NUMBER})",
        )
        for number in ("-?[0-9]+", _NUMBER)  # a comma that may be of the number or behind it takes twice as long
    ),
    Marker(
        "stream_started", "LLM stream", rf"{_STREAM} started: setup latency (?P<setup_latency>[0-9.e+-]+)s?{TRAILER}"
    ),
    Marker(
        "stream_failed",
        "LLM stream",
        rf"{_STREAM} failed: setup latency (?P<setup_latency>[0-9.e+-]+)s?, error: ",
        TRAILER,
    ),
    Marker("api_retry", "LLM retr", rf"LLM retry {_OF} \(backoff (?P<wait>[^)\n]*)\): ", "", own=True),
    Marker(
        "api_retries_exhausted", "LLM retr", rf"LLM retries exhausted \((?P<attempt>{_N}) attempts\): ", "", own=True
    ),
    Marker("stream_retry", "LLM stream", rf"LLM stream retry {_OF} \(backoff (?P<wait>[^)\n]*)\): ", "", own=True),
    Marker(
        "stream_retries_exhausted",
        "LLM stream",
        rf"LLM stream retries exhausted \((?P<attempt>{_N}) attempts\): ",
        "",
        own=True,
    ),
    *(
        Marker("rate_limit_wait", "RATELIMIT: ", rf"{_LIMITER} {what}{numbers}{waited}, agent: (?P<agent>[^)\n]*)\)")
        for what, numbers, waited in (
            (r"token limit hit, waiting for refill ", _SENT, ""),
            (r"concurrency limit hit, waiting for slot ", _SLOTS, ""),
            (r"throttled — waiting for tokens ", _SENT, r", waited (?P<wait>[^,\n]*)"),
            (r"throttled — waiting for concurrency slot ", _SLOTS, r", waited (?P<wait>[^,\n]*)"),
        )
    ),
    Marker(
        "rate_limit_impossible",
        "RATELIMIT: ",
        rf"{_LIMITER} impossible request — need (?P<need>{_NUMBER}) tokens but max bucket capacity is "
        rf"(?P<capacity>{_NUMBER}) "
        r"\(provider: [^,\n]*, agent: (?P<agent>[^)\n]*)\)",
    ),
    Marker(
        "rate_limit_slot_released",
        "RATELIMIT: ",
        r"RATELIMIT: Force-released stale concurrency slot after (?P<wait>\S+) "
        r"\(provider: (?P<provider>[^,\n]*), agent: (?P<agent>[^)\n]*)\)",
    ),
    Marker(
        "rate_limit_slot_released",
        "RATELIMIT: ",
        rf"RATELIMIT: Cleaned (?P<slots>{_N}) stale concurrency slots for provider (?P<provider>\S+)",
    ),
    Marker("empty_response", "EMPTY RESPONSE", rf"EMPTY RESPONSE DETECTED \(attempt {_OF}\): ", ""),
    Marker("empty_response_dumped", "EMPTY RESPONSE", "EMPTY RESPONSE FROM LLM - DEBUGGING INFO", own=True),
    Marker("empty_response_discarded", "AUTO-RETRY", "AUTO-RETRY: Empty response will NOT be added"),
    Marker(
        "empty_response_retry",
        "AUTO-RETRY",
        rf"AUTO-RETRY: Adding guidance message and retrying \(attempt {_N}(?:→|->)(?P<attempt>{_N})\)",
    ),
    Marker("empty_response_failed", "AUTO-RETRY", "AUTO-RETRY FAILED: "),
    Marker(
        "pause_turn",
        "PAUSE_TURN",
        rf"PAUSE_TURN detected: Model paused mid-turn, resuming automatically \(attempt {_OF}\)",
        own=True,
    ),
    Marker("pause_turn_exceeded", "pause_turn", rf"Max pause_turn attempts exceeded \((?P<attempt>{_N})\)", own=True),
    Marker(
        "no_tool_used",
        "in LLM response",
        rf"No tools used in LLM response \(consecutive count: (?P<attempt>{_N})\)",
        own=True,
    ),
    Marker("no_tool_failed", "LLM failed to use", "LLM failed to use tools after reminder", own=True),
    Marker(
        "tool_nudged",
        "SingleTurn mode",
        rf"SingleTurn mode: terminal tool '(?P<tool>[^'\n]*)' not called; nudging \({_OF}\)",
        own=True,
    ),
    Marker(
        "response_truncated",
        "Response truncated",
        rf"Response truncated \(stop_reason=(?P<stop_reason>\w+)\) with (?P<tool_calls>{_N}) tool calls",
        own=True,
    ),
    Marker("suspended", "SUSPEND", r"Service unavailable, entering SUSPEND from (?P<state>\w+)", own=True),
    Marker("suspend_timeout", "SUSPEND", r"SUSPEND timeout \((?P<wait>[^)\n]*)\) exceeded", own=True),
    *(
        Marker(
            "story_attempt_failed",
            f"attempt {counter}: ",
            rf"Story {_STORY} attempt (?P<counter>{counter}): {_OF} \(reason: ",
            r"\)",
        )
        for counter in ("budget", "count")
    ),
    Marker(
        "story_requeue_sent",
        "equeu",
        rf"Sending story {_STORY} requeue request from agent {_AGENT} via requeue channel: ",
        "",
    ),
    Marker("story_requeue_delivered", "equeu", rf"Story {_STORY} requeue request sent to architect"),
    Marker(
        "story_requeue_dropped", "equeu", rf"Requeue requests channel full, dropping requeue request for story {_STORY}"
    ),
    Marker(
        "story_requeue_requested", "equeu", rf"Processing requeue request: story {_STORY} from agent {_AGENT} - ", ""
    ),
    Marker(
        "story_requeued",
        "equeu",
        rf"Successfully requeued and dispatched story {_STORY} to work queue(?: \(attempt {_OF}\))?",
    ),
    Marker("story_requeued", "equeu", rf"Requeued story {_STORY} for agent {_AGENT} \(reason: ", r"\)"),
    Marker("agent_story_requeued", "equeu", rf"Successfully requeued story {_STORY} from failed agent {_AGENT}"),
    Marker("agent_story_requeued", "equeu", rf"Requeued story {_STORY} from unexpectedly exited agent {_AGENT}"),
    Marker("agent_failed", "equeu", rf"Requeuing story for failed agent {_AGENT}"),
    Marker(
        "agent_restarted",
        "state, restarting",
        rf"Agent {_AGENT} \((?P<type>[^)\n]*)\) reached (?P<state>\w+) state, restarting",
    ),
    Marker(
        "agent_restarted",
        "without state notification",
        rf"Agent {_AGENT} \(gen (?P<generation>{_N})\) exited without state notification",
    ),
    Marker(
        "story_abandoned",
        "retry limit",
        rf"Story {_STORY} exceeded retry limit \((?P<attempt>{_N}) attempts\)\. Last failure: ",
        r"\. Transitioning architect to ERROR",
    ),
    Marker(
        "story_abandoned",
        "abandoned",
        rf"Story {_STORY} abandoned after (?P<attempt>{_N}) attempts \(last failure: ",
        r"\); architect continues",
    ),
    Marker(
        "story_abandoned",
        "budget exhausted",
        rf"Story {_STORY} (?P<reason>rewrite budget exhausted) \({_OF}\); marking as failed",
    ),
    Marker(
        "story_retried",
        "etrying",
        rf"(?P<reason>Environment failure) for story {_STORY} — retrying with fresh workspace",
    ),
    Marker("story_retried", "etrying", rf"Retrying story {_STORY} after (?P<reason>\S+ failure)"),
    Marker("story_retried", "etrying", rf"Retrying story {_STORY} with (?P<reason>change request)"),
    Marker("story_retried", "etrying", rf"Retrying (?P<reason>failed) story {_STORY}"),
    Marker("story_promoted", "Promoting story", rf"Promoting story {_STORY} from (?P<from>\S+) to full story"),
    Marker(
        "story_orphans_requeued", "equeu", rf"Requeued (?P<count>{_N}) orphaned dispatched stories: (?P<stories>[^\n]*)"
    ),
    Marker(
        "story_review_rejected",
        "Budget review",
        rf"Budget review for {_STORY}: REJECTED \(after (?P<attempt>{_N}) consecutive NEEDS_CHANGES\)",
    ),
    Marker("story_generation_retry", "Story generation", rf"Story generation retry {_OF}: ", ""),
    Marker(
        "story_generation_invalid",
        "Story generation",
        rf"Story generation attempt (?P<attempt>{_N}) failed validation: ",
        "",
    ),
    Marker(
        "story_generation_failed",
        "Story generation",
        rf"Story generation failed after (?P<attempt>{_N}) attempts: ",
        "",
    ),
    Marker(
        "story_blocked",
        "Story blocked",
        rf"Story blocked \((?P<outcome>retrying|abandoned)\): (?:{_STORY} - )?",
        rf" \(attempt {_OF}, kind: (?P<failure>[^)\n]*)\)",
    ),
    Marker("story_held", "Dispatch suppressed", rf"(?P<reason>Dispatch suppressed) — story {_STORY} stays pending"),
    Marker("story_held", "Prerequisite failure", rf"(?P<reason>Prerequisite failure) for story {_STORY} — held"),
    Marker(
        "story_triaged",
        "Triage: ",
        rf"Triage: kind=(?P<failure>[^,\n]*), resolved_scope=(?P<scope>\S+) \(story {_STORY}\)",
    ),
)
"""Every message that is an event; the first that fits counts, so the most frequent come first."""
