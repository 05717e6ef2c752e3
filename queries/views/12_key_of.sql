-- The value of a call by which somebody wants to add up, as text: of a filter, a column, `metadata.<key>`, or a name of
-- the user's own, `dims.<snapshot>.<column>`, which the variable `dims` has by the value of one of the call's columns.
-- Where `what` is a parameter, only the column that it names is read.
create macro key_of(what) as case
    when what = 'model' then model
    when what = 'provider' then provider
    when what = 'task' then task
    when what = 'role' then role
    when what = 'state' then state
    when what = 'project' then project
    when what = 'host' then host
    when what = 'format' then format
    when what = 'error_type' then error_type
    when what in ('agent', 'agent_id') then agent_id
    when what in ('session', 'session_id') then session_id
    when what in ('story', 'story_id') then story_id
    when what in ('user', 'user_id') then user_id
    when what in ('account', 'account_id') then account_id
    when what in ('run', 'run_id') then run_id
    when what in ('step', 'step_id') then step_id
    when what = 'tool' then tool_of(format)
    when what = 'tool_used' then tool_used
    when what = 'prompt_version' then prompt_version
    when what = 'ts_source' then ts_source
    when what = 'token_source' then token_source
    when what = 'cost_source' then cost_source
    when what = 'pricing_version' then pricing_version
    when what = 'request_id' then request_id
    when what = 'source_id' then source_id
    when what = 'source_path' then source_path
    when what = 'success' then success::varchar
    when what = 'known_model' then known_model::varchar
    when what = 'attempt' then attempt::varchar
    when what = 'temperature' then temperature::varchar
    when what = 'max_tokens' then max_tokens::varchar
    when starts_with(what, 'metadata.')
        then json_extract_string(metadata, '$."' || nullif(what[10:], '') || '"')
    when starts_with(what, 'dims.') and getvariable('dims')[what[6:]] is not null
        then getvariable('dims')[what[6:]].names[
            case getvariable('dims')[what[6:]].key
                when 'user_id' then user_id
                when 'account_id' then account_id
                when 'agent_id' then agent_id
                when 'project' then project
                when 'host' then host
                when 'model' then model
                when 'provider' then provider
                when 'role' then role
                when 'task' then task
                when 'tool' then tool_of(format)
                when 'story_id' then story_id
                when 'session_id' then session_id
                when 'run_id' then run_id
            end
        ]
    when starts_with(what, 'dims.') then error('-p by=dims.FILE.COLUMN takes a column of a file that `ingest dims` has read')
    else error('-p by= takes a column, such as model, user, project, tool or host, metadata.KEY or dims.FILE.COLUMN')
end;
