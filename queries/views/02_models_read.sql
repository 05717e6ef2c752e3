-- The models that the stored calls name which the filters leave. One row per model, NULL among them.
create view models_read as
select distinct model from base_calls;
