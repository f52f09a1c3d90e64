-- All times are UTC.
CREATE TABLE events_clean (
  id varchar(50) PRIMARY KEY,
  event_time timestamp,
  event_type varchar(50),
  order_id varchar(50),
  user_id varchar(50),
  amount decimal(15, 2),
  currency varchar(10),
  status varchar(20),
  ingest_time timestamp DEFAULT now()
);
CREATE INDEX events_clean_event_time ON events_clean (event_time DESC);
CREATE INDEX events_clean_event_type ON events_clean (event_type);
CREATE INDEX events_clean_order_id ON events_clean (order_id);

CREATE TABLE kpi_1m (
  window_start timestamp PRIMARY KEY,
  window_end timestamp,
  revenue decimal(18, 2),
  orders_created int,
  payment_initiated int,
  payment_success int,
  payment_failed int,
  order_cancelled int,
  -- Computed here, so that it is right however often its window is added to.
  success_rate decimal(5, 2) GENERATED ALWAYS AS (
    100.0 * payment_success / nullif(payment_success + payment_failed, 0)
  ) STORED,
  processed_at timestamp
);

CREATE TABLE event_traces (
  event_id varchar(50) PRIMARY KEY,
  t_generated timestamp,
  t_kafka_sent timestamp,
  t_processed timestamp,
  t_db_written timestamp DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
  latency_gen_to_kafka_ms double precision GENERATED ALWAYS AS (
    extract(epoch FROM t_kafka_sent - t_generated) * 1000) STORED,
  latency_kafka_to_process_ms double precision GENERATED ALWAYS AS (
    extract(epoch FROM t_processed - t_kafka_sent) * 1000) STORED,
  latency_process_to_db_ms double precision GENERATED ALWAYS AS (
    extract(epoch FROM t_db_written - t_processed) * 1000) STORED,
  latency_total_ms double precision GENERATED ALWAYS AS (
    extract(epoch FROM t_db_written - t_generated) * 1000) STORED
);
