-- What the name of a format says: `codex/sum+docker-json` is the layout `codex/sum`, of the tool codex, in an envelope.
create macro layout_of(format) as split_part(format, '+', 1);

-- The tool that wrote a call: the name of the format that read it, without its variant and the envelope that it lay in.
create macro tool_of(format) as split_part(layout_of(format), '/', 1);

-- Whether a row is a sum that an agent keeps of a session.
create macro is_sum(format) as ends_with(format, '/sum') or contains(format, '/sum+');
