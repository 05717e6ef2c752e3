-- The rejected records of the span of time. One row per record.
create view rejects as
select *
from stored_rejects
where (getvariable('filters').since is null or created_at >= getvariable('filters').since)
    and (getvariable('filters').until is null or created_at < getvariable('filters').until);
