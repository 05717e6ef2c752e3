-- Whether calls repeat, and whether one call can be in two of maestro's files. One row. Where neither is, calls need not
-- be compared with each other, which is the dear part of counting them once.
create view shape as
select
    exists (select 1 from stored_llm_calls) as any_stored,
    exists (select 1 from base_calls) as any_left,
    exists (select 1 from base_calls where dedupe_key is not null) as repeats,
    exists (select 1 from base_calls where starts_with(format, 'maestro-log/'))
    and exists (select 1 from base_calls where starts_with(format, 'maestro-usage/')) as pairs;

set variable shape = (select shape from shape);
