-- What was read from each source, unfiltered: a batch belongs to a source, not to a span of time. One row per batch.
create view batches as
select * from stored_batches;
