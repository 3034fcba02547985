CREATE DATABASE IF NOT EXISTS `tailrace`;

-- "checkout_step/v1"
CREATE EXTERNAL TABLE IF NOT EXISTS `tailrace`.`checkout_step_v1` (
  `row_id` string,
  `event_id` string,
  `tenant` string,
  `event_type` string,
  `schema_version` string,
  `event_time` timestamp,
  `time_source` string,
  `received_at` timestamp,
  `user_id` string,
  `session_id` string,
  `shard` string,
  `position` string,
  `redrive_of` string,
  `findings` string,
  `ua_family` string,
  `os_family` string,
  `device_family` string,
  `bot` boolean,
  `url_host` string,
  `url_path` string,
  `utm_source` string,
  `utm_medium` string,
  `utm_campaign` string,
  `utm_term` string,
  `utm_content` string,
  `referer_host` string,
  `referer_class` string,
  `referer_source` string,
  `geo_country` string,
  `geo_region` string,
  `geo_city` string,
  `tenant_attributes` string,
  `fingerprint` string,
  `entities` string,
  `extra` string,
  `cart` string,
  `step` bigint
)
PARTITIONED BY (`dt` string, `hh` int)
STORED AS PARQUET
LOCATION 's3://my-bucket/lake/checkout_step/v1/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hh.type' = 'integer',
  'projection.hh.range' = '0,23',
  'projection.hh.digits' = '2',
  'storage.location.template' = 's3://my-bucket/lake/checkout_step/v1/dt=${dt}/hh=${hh}/'
);

-- "click/v1"
CREATE EXTERNAL TABLE IF NOT EXISTS `tailrace`.`click_v1` (
  `row_id` string,
  `event_id` string,
  `tenant` string,
  `event_type` string,
  `schema_version` string,
  `event_time` timestamp,
  `time_source` string,
  `received_at` timestamp,
  `user_id` string,
  `session_id` string,
  `shard` string,
  `position` string,
  `redrive_of` string,
  `findings` string,
  `ua_family` string,
  `os_family` string,
  `device_family` string,
  `bot` boolean,
  `url_host` string,
  `url_path` string,
  `utm_source` string,
  `utm_medium` string,
  `utm_campaign` string,
  `utm_term` string,
  `utm_content` string,
  `referer_host` string,
  `referer_class` string,
  `referer_source` string,
  `geo_country` string,
  `geo_region` string,
  `geo_city` string,
  `tenant_attributes` string,
  `fingerprint` string,
  `entities` string,
  `extra` string,
  `browser` string,
  `path` string,
  `target` struct<`tag`:string,`id`:string,`text`:string,`x`:bigint,`y`:bigint>,
  `data` string
)
PARTITIONED BY (`dt` string, `hh` int)
STORED AS PARQUET
LOCATION 's3://my-bucket/lake/click/v1/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hh.type' = 'integer',
  'projection.hh.range' = '0,23',
  'projection.hh.digits' = '2',
  'storage.location.template' = 's3://my-bucket/lake/click/v1/dt=${dt}/hh=${hh}/'
);

-- "custom/v1"
CREATE EXTERNAL TABLE IF NOT EXISTS `tailrace`.`custom_v1` (
  `row_id` string,
  `event_id` string,
  `tenant` string,
  `event_type` string,
  `schema_version` string,
  `event_time` timestamp,
  `time_source` string,
  `received_at` timestamp,
  `user_id` string,
  `session_id` string,
  `shard` string,
  `position` string,
  `redrive_of` string,
  `findings` string,
  `ua_family` string,
  `os_family` string,
  `device_family` string,
  `bot` boolean,
  `url_host` string,
  `url_path` string,
  `utm_source` string,
  `utm_medium` string,
  `utm_campaign` string,
  `utm_term` string,
  `utm_content` string,
  `referer_host` string,
  `referer_class` string,
  `referer_source` string,
  `geo_country` string,
  `geo_region` string,
  `geo_city` string,
  `tenant_attributes` string,
  `fingerprint` string,
  `entities` string,
  `extra` string,
  `browser` string,
  `path` string,
  `target` struct<`tag`:string,`id`:string,`text`:string,`x`:bigint,`y`:bigint>,
  `data` string
)
PARTITIONED BY (`dt` string, `hh` int)
STORED AS PARQUET
LOCATION 's3://my-bucket/lake/custom/v1/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hh.type' = 'integer',
  'projection.hh.range' = '0,23',
  'projection.hh.digits' = '2',
  'storage.location.template' = 's3://my-bucket/lake/custom/v1/dt=${dt}/hh=${hh}/'
);

-- "form_submit/v1"
CREATE EXTERNAL TABLE IF NOT EXISTS `tailrace`.`form_submit_v1` (
  `row_id` string,
  `event_id` string,
  `tenant` string,
  `event_type` string,
  `schema_version` string,
  `event_time` timestamp,
  `time_source` string,
  `received_at` timestamp,
  `user_id` string,
  `session_id` string,
  `shard` string,
  `position` string,
  `redrive_of` string,
  `findings` string,
  `ua_family` string,
  `os_family` string,
  `device_family` string,
  `bot` boolean,
  `url_host` string,
  `url_path` string,
  `utm_source` string,
  `utm_medium` string,
  `utm_campaign` string,
  `utm_term` string,
  `utm_content` string,
  `referer_host` string,
  `referer_class` string,
  `referer_source` string,
  `geo_country` string,
  `geo_region` string,
  `geo_city` string,
  `tenant_attributes` string,
  `fingerprint` string,
  `entities` string,
  `extra` string,
  `browser` string,
  `path` string,
  `target` struct<`tag`:string,`id`:string,`text`:string,`x`:bigint,`y`:bigint>,
  `data` string
)
PARTITIONED BY (`dt` string, `hh` int)
STORED AS PARQUET
LOCATION 's3://my-bucket/lake/form_submit/v1/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hh.type' = 'integer',
  'projection.hh.range' = '0,23',
  'projection.hh.digits' = '2',
  'storage.location.template' = 's3://my-bucket/lake/form_submit/v1/dt=${dt}/hh=${hh}/'
);

-- "page_view/v1"
CREATE EXTERNAL TABLE IF NOT EXISTS `tailrace`.`page_view_v1` (
  `row_id` string,
  `event_id` string,
  `tenant` string,
  `event_type` string,
  `schema_version` string,
  `event_time` timestamp,
  `time_source` string,
  `received_at` timestamp,
  `user_id` string,
  `session_id` string,
  `shard` string,
  `position` string,
  `redrive_of` string,
  `findings` string,
  `ua_family` string,
  `os_family` string,
  `device_family` string,
  `bot` boolean,
  `url_host` string,
  `url_path` string,
  `utm_source` string,
  `utm_medium` string,
  `utm_campaign` string,
  `utm_term` string,
  `utm_content` string,
  `referer_host` string,
  `referer_class` string,
  `referer_source` string,
  `geo_country` string,
  `geo_region` string,
  `geo_city` string,
  `tenant_attributes` string,
  `fingerprint` string,
  `entities` string,
  `extra` string,
  `browser` string,
  `path` string,
  `target` struct<`tag`:string,`id`:string,`text`:string,`x`:bigint,`y`:bigint>,
  `data` string
)
PARTITIONED BY (`dt` string, `hh` int)
STORED AS PARQUET
LOCATION 's3://my-bucket/lake/page_view/v1/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hh.type' = 'integer',
  'projection.hh.range' = '0,23',
  'projection.hh.digits' = '2',
  'storage.location.template' = 's3://my-bucket/lake/page_view/v1/dt=${dt}/hh=${hh}/'
);

-- "purchase/v1"
CREATE EXTERNAL TABLE IF NOT EXISTS `tailrace`.`purchase_v1` (
  `row_id` string,
  `event_id` string,
  `tenant` string,
  `event_type` string,
  `schema_version` string,
  `event_time` timestamp,
  `time_source` string,
  `received_at` timestamp,
  `user_id` string,
  `session_id` string,
  `shard` string,
  `position` string,
  `redrive_of` string,
  `findings` string,
  `ua_family` string,
  `os_family` string,
  `device_family` string,
  `bot` boolean,
  `url_host` string,
  `url_path` string,
  `utm_source` string,
  `utm_medium` string,
  `utm_campaign` string,
  `utm_term` string,
  `utm_content` string,
  `referer_host` string,
  `referer_class` string,
  `referer_source` string,
  `geo_country` string,
  `geo_region` string,
  `geo_city` string,
  `tenant_attributes` string,
  `fingerprint` string,
  `entities` string,
  `extra` string,
  `browser` string,
  `path` string,
  `target` struct<`tag`:string,`id`:string,`text`:string,`x`:bigint,`y`:bigint>,
  `data` string
)
PARTITIONED BY (`dt` string, `hh` int)
STORED AS PARQUET
LOCATION 's3://my-bucket/lake/purchase/v1/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hh.type' = 'integer',
  'projection.hh.range' = '0,23',
  'projection.hh.digits' = '2',
  'storage.location.template' = 's3://my-bucket/lake/purchase/v1/dt=${dt}/hh=${hh}/'
);

-- "score/v1"
CREATE EXTERNAL TABLE IF NOT EXISTS `tailrace`.`score_v1` (
  `row_id` string,
  `event_id` string,
  `tenant` string,
  `event_type` string,
  `schema_version` string,
  `event_time` timestamp,
  `time_source` string,
  `received_at` timestamp,
  `user_id` string,
  `session_id` string,
  `shard` string,
  `position` string,
  `redrive_of` string,
  `findings` string,
  `ua_family` string,
  `os_family` string,
  `device_family` string,
  `bot` boolean,
  `url_host` string,
  `url_path` string,
  `utm_source` string,
  `utm_medium` string,
  `utm_campaign` string,
  `utm_term` string,
  `utm_content` string,
  `referer_host` string,
  `referer_class` string,
  `referer_source` string,
  `geo_country` string,
  `geo_region` string,
  `geo_city` string,
  `tenant_attributes` string,
  `fingerprint` string,
  `entities` string,
  `extra` string,
  `value` double
)
PARTITIONED BY (`dt` string, `hh` int)
STORED AS PARQUET
LOCATION 's3://my-bucket/lake/score/v1/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hh.type' = 'integer',
  'projection.hh.range' = '0,23',
  'projection.hh.digits' = '2',
  'storage.location.template' = 's3://my-bucket/lake/score/v1/dt=${dt}/hh=${hh}/'
);

-- "scroll/v1"
CREATE EXTERNAL TABLE IF NOT EXISTS `tailrace`.`scroll_v1` (
  `row_id` string,
  `event_id` string,
  `tenant` string,
  `event_type` string,
  `schema_version` string,
  `event_time` timestamp,
  `time_source` string,
  `received_at` timestamp,
  `user_id` string,
  `session_id` string,
  `shard` string,
  `position` string,
  `redrive_of` string,
  `findings` string,
  `ua_family` string,
  `os_family` string,
  `device_family` string,
  `bot` boolean,
  `url_host` string,
  `url_path` string,
  `utm_source` string,
  `utm_medium` string,
  `utm_campaign` string,
  `utm_term` string,
  `utm_content` string,
  `referer_host` string,
  `referer_class` string,
  `referer_source` string,
  `geo_country` string,
  `geo_region` string,
  `geo_city` string,
  `tenant_attributes` string,
  `fingerprint` string,
  `entities` string,
  `extra` string,
  `browser` string,
  `path` string,
  `target` struct<`tag`:string,`id`:string,`text`:string,`x`:bigint,`y`:bigint>,
  `data` string
)
PARTITIONED BY (`dt` string, `hh` int)
STORED AS PARQUET
LOCATION 's3://my-bucket/lake/scroll/v1/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hh.type' = 'integer',
  'projection.hh.range' = '0,23',
  'projection.hh.digits' = '2',
  'storage.location.template' = 's3://my-bucket/lake/scroll/v1/dt=${dt}/hh=${hh}/'
);

-- "quarantine"
CREATE EXTERNAL TABLE IF NOT EXISTS `tailrace`.`quarantine` (
  `row_id` string,
  `received_at` timestamp,
  `stage` string,
  `keyword` string,
  `path` string,
  `message` string,
  `reasons` string,
  `event_type` string,
  `schema` string,
  `tenant` string,
  `event_id` string,
  `shard` string,
  `position` string,
  `redrive_of` string,
  `raw` binary
)
PARTITIONED BY (`dt` string, `p_stage` string)
STORED AS PARQUET
LOCATION 's3://my-bucket/lake/quarantine/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.p_stage.type' = 'enum',
  'projection.p_stage.values' = 'decode,parse,contract,schema,columns,internal',
  'storage.location.template' = 's3://my-bucket/lake/quarantine/dt=${dt}/stage=${p_stage}/'
);

CREATE OR REPLACE VIEW "tailrace"."events" AS
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at, "dt" AS dt
FROM "tailrace"."checkout_step_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at, "dt" AS dt
FROM "tailrace"."click_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at, "dt" AS dt
FROM "tailrace"."custom_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at, "dt" AS dt
FROM "tailrace"."form_submit_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at, "dt" AS dt
FROM "tailrace"."page_view_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at, "dt" AS dt
FROM "tailrace"."purchase_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at, "dt" AS dt
FROM "tailrace"."score_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at, "dt" AS dt
FROM "tailrace"."scroll_v1";

CREATE OR REPLACE VIEW "tailrace"."events_per_minute" AS
SELECT date_trunc('minute', filed_at) AS "minute", event_type, tenant, count(*) AS events, dt
FROM "tailrace"."events" GROUP BY 1, 2, 3, 5;

CREATE OR REPLACE VIEW "tailrace"."daily_users" AS
SELECT CAST(filed_at AS DATE) AS "day", tenant, count(DISTINCT user_id) AS users, count(*) AS events, dt
FROM "tailrace"."events" GROUP BY 1, 2, 5;
