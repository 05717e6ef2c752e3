-- The tool that wrote a call: the name of the format that read it, without its variant.
create macro tool_of(format) as split_part(format, '/', 1);
