-- The newest limit that a provider stated, of each model and dimension. One row per provider, model and dimension.
create view stated_limits as
select
    provider, model, dimension,
    arg_max(limit_value, (created_at, source_path, source_offset)) as limit_value,
    max(created_at) as stated_at,
    arg_max(source_path, (created_at, source_path, source_offset)) as source_path,
from rate_limited
where limit_value > 0 and model is not null and dimension is not null
group by provider, model, dimension;
