-- What rules of alerts.toml were crossed, unfiltered: an alert belongs to a check, not to calls. One row per crossing.
create view alerts as
select * from stored_alerts;
