-- Which limits the calls of each model count against, and how. One row per provider and model that a record names, whether
-- or not a call is left when each is counted once: to count them here would be to do so twice. `id` counts them from 0.
with models as (
    select distinct provider, model from base_calls
),
rules as (
    select
        models.provider, model, rule.* exclude (provider),
        row_number() over (partition by models.provider, model order by counts) as nth,
    from models
    inner join counting_rules as rule
        on rule.provider = if(models.provider in (select provider from counting_rules), models.provider, '*')
)
select
    (row_number() over (order by provider, model) - 1)::integer as id, provider, model,
    list(counts order by nth) as names,
    list(meaning order by nth) as meanings,
    max(as_of) as rules_as_of,
    max(columns(['uncached_input', 'cache_write', 'cache_read', 'output', 'reserved'])) filter (nth = 1) as '\0_1',
    coalesce(
        max(columns(['uncached_input', 'cache_write', 'cache_read', 'output', 'reserved'])) filter (nth = 2), 0
    ) as '\0_2',
from rules
group by provider, model;
