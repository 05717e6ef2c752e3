-- The tool that wrote a call: the name of the format that read it, without its variant and the envelope that it lay in.
create macro tool_of(format) as split_part(split_part(format, '+', 1), '/', 1);
