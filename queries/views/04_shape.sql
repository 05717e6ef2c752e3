-- Whether calls repeat, and whether one call can be in two of maestro's files. One row. Views that would have to compare
-- calls ask the variable, which is folded into the plan: what can't be there costs nothing.
create view shape as
select
    exists (select 1 from stored_llm_calls) as any_stored,
    exists (select 1 from base_calls) as any_left,
    exists (select 1 from base_calls where dedupe_key is not null) as repeats,
    exists (select 1 from base_calls where starts_with(format, 'maestro-log/'))
    and exists (select 1 from base_calls where starts_with(format, 'maestro-usage/')) as pairs;

set variable shape = (select shape from shape);
