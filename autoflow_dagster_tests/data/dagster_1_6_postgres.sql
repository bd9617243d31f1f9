-- Tables of Dagster 1.6.0 (schema 46b412388816) with one materialization; made with pg_dump --inserts.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.asset_check_executions (
    id bigint NOT NULL,
    asset_key text,
    check_name text,
    partition text,
    run_id character varying(255),
    execution_status character varying(255),
    evaluation_event text,
    evaluation_event_timestamp timestamp without time zone,
    evaluation_event_storage_id bigint,
    materialization_event_storage_id bigint,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);
CREATE SEQUENCE public.asset_check_executions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.asset_check_executions_id_seq OWNED BY public.asset_check_executions.id;
CREATE TABLE public.asset_daemon_asset_evaluations (
    id bigint NOT NULL,
    evaluation_id bigint,
    asset_key text,
    asset_evaluation_body text,
    num_requested integer,
    num_skipped integer,
    num_discarded integer,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);
CREATE SEQUENCE public.asset_daemon_asset_evaluations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.asset_daemon_asset_evaluations_id_seq OWNED BY public.asset_daemon_asset_evaluations.id;
CREATE TABLE public.asset_event_tags (
    id bigint NOT NULL,
    event_id bigint,
    asset_key text NOT NULL,
    key text NOT NULL,
    value text,
    event_timestamp timestamp without time zone
);
CREATE SEQUENCE public.asset_event_tags_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.asset_event_tags_id_seq OWNED BY public.asset_event_tags.id;
CREATE TABLE public.asset_keys (
    id bigint NOT NULL,
    asset_key character varying(512),
    last_materialization text,
    last_run_id character varying(255),
    asset_details text,
    wipe_timestamp timestamp without time zone,
    last_materialization_timestamp timestamp without time zone,
    tags text,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    cached_status_data text
);
CREATE SEQUENCE public.asset_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.asset_keys_id_seq OWNED BY public.asset_keys.id;
CREATE TABLE public.bulk_actions (
    id bigint NOT NULL,
    key character varying(32) NOT NULL,
    status character varying(255) NOT NULL,
    "timestamp" timestamp without time zone NOT NULL,
    body text,
    action_type character varying(32),
    selector_id text
);
CREATE SEQUENCE public.bulk_actions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.bulk_actions_id_seq OWNED BY public.bulk_actions.id;
CREATE TABLE public.concurrency_limits (
    id bigint NOT NULL,
    concurrency_key character varying(512) NOT NULL,
    "limit" integer NOT NULL,
    update_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);
CREATE SEQUENCE public.concurrency_limits_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.concurrency_limits_id_seq OWNED BY public.concurrency_limits.id;
CREATE TABLE public.concurrency_slots (
    id bigint NOT NULL,
    concurrency_key text NOT NULL,
    run_id text,
    step_key text,
    deleted boolean NOT NULL,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);
CREATE SEQUENCE public.concurrency_slots_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.concurrency_slots_id_seq OWNED BY public.concurrency_slots.id;
CREATE TABLE public.daemon_heartbeats (
    id bigint NOT NULL,
    daemon_type character varying(255) NOT NULL,
    daemon_id character varying(255),
    "timestamp" timestamp without time zone NOT NULL,
    body text
);
CREATE SEQUENCE public.daemon_heartbeats_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.daemon_heartbeats_id_seq OWNED BY public.daemon_heartbeats.id;
CREATE TABLE public.dynamic_partitions (
    id bigint NOT NULL,
    partitions_def_name text NOT NULL,
    partition text NOT NULL,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);
CREATE SEQUENCE public.dynamic_partitions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.dynamic_partitions_id_seq OWNED BY public.dynamic_partitions.id;
CREATE TABLE public.event_logs (
    id bigint NOT NULL,
    run_id character varying(255),
    event text NOT NULL,
    dagster_event_type text,
    "timestamp" timestamp without time zone,
    step_key text,
    asset_key text,
    partition text
);
CREATE SEQUENCE public.event_logs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.event_logs_id_seq OWNED BY public.event_logs.id;
CREATE TABLE public.instance_info (
    id bigint NOT NULL,
    run_storage_id text
);
CREATE SEQUENCE public.instance_info_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.instance_info_id_seq OWNED BY public.instance_info.id;
CREATE TABLE public.instigators (
    id bigint NOT NULL,
    selector_id character varying(255),
    repository_selector_id character varying(255),
    status character varying(63),
    instigator_type character varying(63),
    instigator_body text,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    update_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);
CREATE SEQUENCE public.instigators_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.instigators_id_seq OWNED BY public.instigators.id;
CREATE TABLE public.job_ticks (
    id bigint NOT NULL,
    job_origin_id character varying(255),
    selector_id character varying(255),
    status character varying(63),
    type character varying(63),
    "timestamp" timestamp without time zone,
    tick_body text,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    update_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);
CREATE SEQUENCE public.job_ticks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.job_ticks_id_seq OWNED BY public.job_ticks.id;
CREATE TABLE public.jobs (
    id bigint NOT NULL,
    job_origin_id character varying(255),
    selector_id character varying(255),
    repository_origin_id character varying(255),
    status character varying(63),
    job_type character varying(63),
    job_body text,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    update_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);
CREATE SEQUENCE public.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.jobs_id_seq OWNED BY public.jobs.id;
CREATE TABLE public.kvs (
    id bigint NOT NULL,
    key text NOT NULL,
    value text
);
CREATE SEQUENCE public.kvs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.kvs_id_seq OWNED BY public.kvs.id;
CREATE TABLE public.pending_steps (
    id bigint NOT NULL,
    concurrency_key text NOT NULL,
    run_id text,
    step_key text,
    priority integer,
    assigned_timestamp timestamp without time zone,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);
CREATE SEQUENCE public.pending_steps_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.pending_steps_id_seq OWNED BY public.pending_steps.id;
CREATE TABLE public.run_tags (
    id bigint NOT NULL,
    run_id character varying(255),
    key text,
    value text
);
CREATE SEQUENCE public.run_tags_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.run_tags_id_seq OWNED BY public.run_tags.id;
CREATE TABLE public.runs (
    id bigint NOT NULL,
    run_id character varying(255),
    snapshot_id character varying(255),
    pipeline_name text,
    mode text,
    status character varying(63),
    run_body text,
    partition text,
    partition_set text,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    update_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    start_time double precision,
    end_time double precision
);
CREATE SEQUENCE public.runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.runs_id_seq OWNED BY public.runs.id;
CREATE TABLE public.secondary_indexes (
    id bigint NOT NULL,
    name character varying(512),
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    migration_completed timestamp without time zone
);
CREATE SEQUENCE public.secondary_indexes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.secondary_indexes_id_seq OWNED BY public.secondary_indexes.id;
CREATE TABLE public.snapshots (
    id bigint NOT NULL,
    snapshot_id character varying(255) NOT NULL,
    snapshot_body bytea NOT NULL,
    snapshot_type character varying(63) NOT NULL
);
CREATE SEQUENCE public.snapshots_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.snapshots_id_seq OWNED BY public.snapshots.id;
ALTER TABLE ONLY public.asset_check_executions ALTER COLUMN id SET DEFAULT nextval('public.asset_check_executions_id_seq'::regclass);
ALTER TABLE ONLY public.asset_daemon_asset_evaluations ALTER COLUMN id SET DEFAULT nextval('public.asset_daemon_asset_evaluations_id_seq'::regclass);
ALTER TABLE ONLY public.asset_event_tags ALTER COLUMN id SET DEFAULT nextval('public.asset_event_tags_id_seq'::regclass);
ALTER TABLE ONLY public.asset_keys ALTER COLUMN id SET DEFAULT nextval('public.asset_keys_id_seq'::regclass);
ALTER TABLE ONLY public.bulk_actions ALTER COLUMN id SET DEFAULT nextval('public.bulk_actions_id_seq'::regclass);
ALTER TABLE ONLY public.concurrency_limits ALTER COLUMN id SET DEFAULT nextval('public.concurrency_limits_id_seq'::regclass);
ALTER TABLE ONLY public.concurrency_slots ALTER COLUMN id SET DEFAULT nextval('public.concurrency_slots_id_seq'::regclass);
ALTER TABLE ONLY public.daemon_heartbeats ALTER COLUMN id SET DEFAULT nextval('public.daemon_heartbeats_id_seq'::regclass);
ALTER TABLE ONLY public.dynamic_partitions ALTER COLUMN id SET DEFAULT nextval('public.dynamic_partitions_id_seq'::regclass);
ALTER TABLE ONLY public.event_logs ALTER COLUMN id SET DEFAULT nextval('public.event_logs_id_seq'::regclass);
ALTER TABLE ONLY public.instance_info ALTER COLUMN id SET DEFAULT nextval('public.instance_info_id_seq'::regclass);
ALTER TABLE ONLY public.instigators ALTER COLUMN id SET DEFAULT nextval('public.instigators_id_seq'::regclass);
ALTER TABLE ONLY public.job_ticks ALTER COLUMN id SET DEFAULT nextval('public.job_ticks_id_seq'::regclass);
ALTER TABLE ONLY public.jobs ALTER COLUMN id SET DEFAULT nextval('public.jobs_id_seq'::regclass);
ALTER TABLE ONLY public.kvs ALTER COLUMN id SET DEFAULT nextval('public.kvs_id_seq'::regclass);
ALTER TABLE ONLY public.pending_steps ALTER COLUMN id SET DEFAULT nextval('public.pending_steps_id_seq'::regclass);
ALTER TABLE ONLY public.run_tags ALTER COLUMN id SET DEFAULT nextval('public.run_tags_id_seq'::regclass);
ALTER TABLE ONLY public.runs ALTER COLUMN id SET DEFAULT nextval('public.runs_id_seq'::regclass);
ALTER TABLE ONLY public.secondary_indexes ALTER COLUMN id SET DEFAULT nextval('public.secondary_indexes_id_seq'::regclass);
ALTER TABLE ONLY public.snapshots ALTER COLUMN id SET DEFAULT nextval('public.snapshots_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('46b412388816');
INSERT INTO public.asset_event_tags VALUES (1, 10, '["count", "first"]', 'dagster/code_version', '18029540-375c-46d4-8b33-36eddd857511', '2026-11-22 15:03:56.237742');
INSERT INTO public.asset_event_tags VALUES (2, 10, '["count", "first"]', 'dagster/data_version', 'HASH', '2026-11-22 15:03:56.237742');
INSERT INTO public.asset_event_tags VALUES (3, 10, '["count", "first"]', 'dagster/data_version_is_user_provided', 'true', '2026-11-22 15:03:56.237742');
INSERT INTO public.asset_keys VALUES (1, '["count", "first"]', '{"__class__": "EventLogRecord", "event_log_entry": {"__class__": "EventLogEntry", "dagster_event": {"__class__": "DagsterEvent", "event_specific_data": {"__class__": "StepMaterializationData", "asset_lineage": [], "materialization": {"__class__": "AssetMaterialization", "asset_key": {"__class__": "AssetKey", "path": ["count", "first"]}, "description": null, "metadata_entries": [{"__class__": "EventMetadataEntry", "description": null, "entry_data": {"__class__": "PathMetadataEntryData", "path": "/dagster_home/storage/count/first/2016-01-01"}, "label": "path"}], "partition": "2016-01-01", "tags": {"dagster/code_version": "18029540-375c-46d4-8b33-36eddd857511", "dagster/data_version": "HASH", "dagster/data_version_is_user_provided": "true"}}}, "event_type_value": "ASSET_MATERIALIZATION", "logging_tags": {"job_name": "__ephemeral_asset_job__", "op_name": "count__first", "resource_fn_name": "None", "resource_name": "None", "run_id": "18029540-375c-46d4-8b33-36eddd857511", "step_key": "count__first"}, "message": "Materialized value count first.", "pid": 14578, "pipeline_name": "__ephemeral_asset_job__", "solid_handle": {"__class__": "SolidHandle", "name": "count__first", "parent": null}, "step_handle": {"__class__": "StepHandle", "key": "count__first", "solid_handle": {"__class__": "SolidHandle", "name": "count__first", "parent": null}}, "step_key": "count__first", "step_kind_value": "COMPUTE"}, "error_info": null, "level": 10, "message": "", "pipeline_name": "__ephemeral_asset_job__", "run_id": "18029540-375c-46d4-8b33-36eddd857511", "step_key": "count__first", "timestamp": 1795359836.2377424, "user_message": "Materialized value count first."}, "storage_id": 10}', '18029540-375c-46d4-8b33-36eddd857511', NULL, NULL, '2026-11-22 15:03:56.237742', NULL, '2026-11-22 15:03:55.569794', NULL);
INSERT INTO public.dynamic_partitions VALUES (1, 'count', '2016-01-01', '2026-11-22 15:03:55.20472');
INSERT INTO public.event_logs VALUES (10, '18029540-375c-46d4-8b33-36eddd857511', '{"__class__": "EventLogEntry", "dagster_event": {"__class__": "DagsterEvent", "event_specific_data": {"__class__": "StepMaterializationData", "asset_lineage": [], "materialization": {"__class__": "AssetMaterialization", "asset_key": {"__class__": "AssetKey", "path": ["count", "first"]}, "description": null, "metadata_entries": [{"__class__": "EventMetadataEntry", "description": null, "entry_data": {"__class__": "PathMetadataEntryData", "path": "/dagster_home/storage/count/first/2016-01-01"}, "label": "path"}], "partition": "2016-01-01", "tags": {"dagster/code_version": "18029540-375c-46d4-8b33-36eddd857511", "dagster/data_version": "HASH", "dagster/data_version_is_user_provided": "true"}}}, "event_type_value": "ASSET_MATERIALIZATION", "logging_tags": {"job_name": "__ephemeral_asset_job__", "op_name": "count__first", "resource_fn_name": "None", "resource_name": "None", "run_id": "18029540-375c-46d4-8b33-36eddd857511", "step_key": "count__first"}, "message": "Materialized value count first.", "pid": 14578, "pipeline_name": "__ephemeral_asset_job__", "solid_handle": {"__class__": "SolidHandle", "name": "count__first", "parent": null}, "step_handle": {"__class__": "StepHandle", "key": "count__first", "solid_handle": {"__class__": "SolidHandle", "name": "count__first", "parent": null}}, "step_key": "count__first", "step_kind_value": "COMPUTE"}, "error_info": null, "level": 10, "message": "", "pipeline_name": "__ephemeral_asset_job__", "run_id": "18029540-375c-46d4-8b33-36eddd857511", "step_key": "count__first", "timestamp": 1795359836.2377424, "user_message": "Materialized value count first."}', 'ASSET_MATERIALIZATION', '2026-11-22 15:03:56.237742', 'count__first', '["count", "first"]', '2016-01-01');
INSERT INTO public.run_tags VALUES (1, '18029540-375c-46d4-8b33-36eddd857511', 'autoflow/config', 'count');
INSERT INTO public.run_tags VALUES (2, '18029540-375c-46d4-8b33-36eddd857511', 'dagster/partition', '2016-01-01');
INSERT INTO public.run_tags VALUES (3, '18029540-375c-46d4-8b33-36eddd857511', 'dagster/partition_set', '__ephemeral_asset_job___partition_set');
INSERT INTO public.runs VALUES (1, '18029540-375c-46d4-8b33-36eddd857511', 'ff22007aded6ce93b4c572f89fa0df7ed495481d', '__ephemeral_asset_job__', NULL, 'SUCCESS', '{"__class__": "PipelineRun", "asset_check_selection": null, "asset_selection": {"__frozenset__": []}, "execution_plan_snapshot_id": "3ce3ef15499a266fa55c4a8e352095cee8443ec0", "external_pipeline_origin": null, "has_repository_load_data": false, "mode": null, "parent_run_id": null, "pipeline_code_origin": null, "pipeline_name": "__ephemeral_asset_job__", "pipeline_snapshot_id": "ff22007aded6ce93b4c572f89fa0df7ed495481d", "root_run_id": null, "run_config": {}, "run_id": "18029540-375c-46d4-8b33-36eddd857511", "solid_selection": null, "solids_to_execute": null, "status": {"__enum__": "PipelineRunStatus.SUCCESS"}, "step_keys_to_execute": ["count__first"], "tags": {"autoflow/config": "count", "dagster/partition": "2016-01-01", "dagster/partition_set": "__ephemeral_asset_job___partition_set"}}', '2016-01-01', '__ephemeral_asset_job___partition_set', '2026-11-22 15:03:55.482361', '2026-11-22 15:03:56.597365', 1795359835.672797, 1795359836.597365);
INSERT INTO public.secondary_indexes VALUES (1, 'run_partitions', '2026-11-22 15:03:53.66968', '2026-11-22 15:03:53.651451');
INSERT INTO public.secondary_indexes VALUES (2, 'run_repo_label_tags', '2026-11-22 15:03:53.756697', '2026-11-22 15:03:53.737157');
INSERT INTO public.secondary_indexes VALUES (3, 'bulk_action_types', '2026-11-22 15:03:53.852717', '2026-11-22 15:03:53.820445');
INSERT INTO public.secondary_indexes VALUES (4, 'run_start_end_overwritten', '2026-11-22 15:03:54.000706', '2026-11-22 15:03:53.969243');
INSERT INTO public.secondary_indexes VALUES (5, 'asset_key_table', '2026-11-22 15:03:54.40869', '2026-11-22 15:03:54.37706');
INSERT INTO public.secondary_indexes VALUES (6, 'asset_key_index_columns', '2026-11-22 15:03:54.510535', '2026-11-22 15:03:54.493584');
INSERT INTO public.secondary_indexes VALUES (7, 'schedule_jobs_selector_id', '2026-11-22 15:03:54.916683', '2026-11-22 15:03:54.890413');
INSERT INTO public.secondary_indexes VALUES (8, 'schedule_ticks_selector_id', '2026-11-22 15:03:55.112683', '2026-11-22 15:03:55.088907');
INSERT INTO public.snapshots VALUES (1, 'ff22007aded6ce93b4c572f89fa0df7ed495481d', '\x789ced5c4b73e33612fe2b2c5df692b84882e02337cf2b71add74e8d9cc356c6c5c2a36131a1482e4939eb9df27f5f800f5192491a92255933f16146260534babffeba8106097d9d84218b495184e1e42763f26b94411c25304d4856ccd272f28331616922a2bbb060339893b068bff9c9f8badef77dd56e5a355bed4fe2386c65a8db217d08ff84874ac079f23024e8e621abd4502238142c8fb2324a13d92059c4b1bc09c9621ede9378014577534410f395ebbbe81e923021735092d570f2663dfaf22a4a78a344257243877fcaafcfceaffe3d79946d0b466292874d97668c52b60a339293b9b2ab1d5c357f97a6f1f6f64d26bb59578dd699b7bcd4b06ffafefcf2fc738f897dbda6558baadfbbebebcbaad730069fe2940cb265ff20d4c3752874d70784e1d3e5f5f9cd33385c244744410dd661d05e1d10818babe7ecaf1bff9648c3ce14357f9c420cac4cf3330a9863cba72800df250e6258d8008c088c7c660997799e65511c1c315334f71afcf6a0fa56f087bf5d5d5c5f6d93707e5f46fbf6aadd6e7aa70a99ce466e9a0479807cd3e3c863817003c65c3b083ce6102c1c62792e60864ec23dbbea7e70ff2cf3d0f6ba3d71908ce7ce441278414003cfe2964d187826b1b9ef9b88f9befce722c7f2b8e9d9f824dcb39be607774e9320b7d7ec896ba6651e25779d8d603a9e8d58c08340f99a50dbb24dd74198dab6ed784cc830f56df73472dbceca1fdc41b5666b3ed256aef651dbcdc69e655a81b008b64dcbc7885b96896ccbc18421c0c8315d4fc8cb0339e4f75ea19fd4d79d544116711966797a1f7150c8081217b0f255253e2445f84791266151e6dd48bd3a454598c37f16515e492bf38512d6ae1520b99fb4b0b7a4a8e17ebc7d863b5b83aa4b948f971fdfdf5cf7ad439e5d739f4a623c414f2b194f5c3d23199c391423ea212e906323dfe22637b15c3020d7f2116741c068e0cad9c8560e393dbbb288fd19c3f76859256cd330355b6987e6de27d97d84e62baff8df42f32d340f139a5515a61d9b7baf1ef7119baf5ceebdc5e65b6c1e2636eb0a5c3b38f7be75b08fe07ce572f22d38df82f330c1b96dc5b9f7ad897d44a7b005b85c70e69ac40a1c8ff8c2078fc9f4e111d3b2a9e3992ea6ec6fb4b7f0169ddf9a65bdd1a99e946a87a676141c23342b8f98be85b0e3ba8806dca1bea0825b8cfa80b0efb928b0ec00cbff9138a9b86cfc32e6e4c997c9c5d5a7eb2f939e0787373330e2f4ee0ef27f144639cba198a5313f9b3cf17fcba69600b25318c33dc443297a47d6ead9c3c95d51423e6892d2d24885f1902ef2c63e0d9baacf1d679ced18a4cbe99bcf17ef6fc2e92fe7bf7e7c01af05f80823ee52ecd8843141784081514e09d0c016ae1300a501f9e678fdf54b47c32ff246cbf31fe45fca4bf5bd25571e07c8d28c61b0344e2531e46752a431e8f3a67e6da53fcd6b53429361babe3c2ac32c9fda82106181e0d8c4c87384276c2c18752de038a01c53f0b175520cdbeffcb8c9094a0a087994f7e793a9cc4b0c94d99a7ed746f8a87e771c6113cf42ae874d0f38b724b15da9190ae4f29a39484ee3c80d2c7a527ed7ca2c3db942cbed63a940db877a94d006ffb894d05dd69e12250e5b049072f6a2558536a44775b4e72070bc403dc7c58cda0e967535e72e42605b1e95a476026259c4fb8e1dad17fc5a55d176901ed5d10198264548705f8015609f205b1669c0e5b2c664b6bce5fbb643dcd38a68cde563ed31b54efcfad8b73c7cb788e2f2c72831441443f120d79173e3e2da989384c8a5a12c98486914b29a85c22009377290712d57a385519b632c0a19e646b50d20ffd0584a4669d8081fd835d04dfa7a8cd3f6ed711927a8cc6cd53b22818f6550f88e00cc8934da75b1ef0b411870cabf3dc6f571ac16bfc8c198a57f49364126c924afe0bfc016a5ac47fe8aca99a42031f245a241a1ba5f34b4a3a69d640e59c16b0051575f8501f3a834e6501432288a6db16884f423017e807980015c6e821032947c8779ae701c6213ea997e204ce604f4b048a824b448ca3014515e94c3a9a843479a5e467330aa0882528124d2dc48256fe487d411ca42031bd9be1f1742a8e9f8c8713cdff630114c582e9788c8b52ab76cc910814560faeea171e9726185ca46b6d608a51951e5bc4cce55b555475534cf629843b243602d05f5c3a69d4b3553b36e123c6a6ad6e6c6f7909a35177d5df4be34e36a1143db0547258676323d25621cbc1c50fb8803fb82ba1b797aa4d086ff58a4a80bdca39d64eadefc5eafb075cdddf13c9382e9eae7e78e346d6ef9bdda4bfc9b8a6c85ce9e5ec8d77e09fc56cef10a897afb3eacc42bb38a4c4e7c23074c3fd41d94f6576df3cd83a66b42f58e9bae881d75128f8a2c260f9b874965aaa0aa988c926e42d23860ba32eada09d338255ceadf9cb67dc9b3d53991f2231247ffdb94d718b461488f9b6f870fb1ee8a5a7b4e6d04b6d183ab9bb8ad04783f747b39bba78d65abfb109803a76177457379aa6c04cef113b02fc1f30587edb4015d6a3f8468efb9da5df16c0e828da0397696f62558ee7c324e1bc946f3211caf525533f5ccecbb62d90a1cc773a59516a657d737bfb433731fa88d32daa8ac8c3f84ccd092675760bab97304976796392fa1da4b8ef969e3dae9df0b6bbd02804cadc517ac9495fdd8c40f19241c12f6306d5bafcefb722d1ef1304aee534614f2b5a49eda61aa1a5e2cdbb54e8b926c518695326dc7dbda39fc419a13b1704eb26cad12a88794d54538542dd62d066b49e9be49b5db71fb38449bbb9c64b3b5312401328938e4240eabdda0f08f944ad394d3a304c8dd1a886d24a41c2a2943a8fc4b36f8006294c2f576dba898cbaac98aa0e6373faa656cd56b6879fcf6c6c8e61b233b2bb759a15635667bb3e9afdab53b5ea31efddc347a359fbeeeb3faa74e38c043a39ec74395cff2342ddb5fcdd96df770cdf523996399caa2245286162389b84aa01fbaa6eb3f1334cfd2222a650e5a26c7b57cda737b40fcded9f66a4f8707053653ce064443d345ba289fb4df00e2ba6ab29ac7572be1f58274c8c666ba5b3171f4fd07c973954e6abe36adc2656659cef54fa7bbeef2ffafa15a7c', 'PIPELINE');
INSERT INTO public.snapshots VALUES (2, '3ce3ef15499a266fa55c4a8e352095cee8443ec0', '\x789cb554c16edb300cfd95c2e76148d37469762b86020382a101b29d8280d02cba11e2489a44777383fcfb4859b1d374e96d573ef2897c7cd4be00286b152340f1f9aa78f8836543c6d945adecd22a1f378e8a0f57850a642a5552048f219a48a8399f42830c62aa7201acda21876d53d71c36d69051356cadfb6d21922201f7af5f9c0bd83fbb4c495cab5be63225ec94f7c63e45293c70dcab80967ab2fc920ff86c5c13212085161411ee3cf54501956ec135e49b2ec82d54c1bda08d48a98dd55af2782a9fd3e059c67436f6a0371e6b63116296058c485054d5783c1a4d9546fda9c4d9cdcf49793b1d5777b34a8d7435453d99dd4eeeaeb54cd5976676aebf3ebebbc5360239e8c494e15645e91a1e162a132215eb9c995ada5fd8db9213646f45d23fcfbb9252e697cc57941236566749d036bb8e4e58e60c7cfcf2f86df1e3fb432102ec909456a4c0b0ba3deda0eabb3d3da6b463675a3df12401a8f508b9b17bdb0a942dc43b8b4d9d3af4c1b1e7c8607ceb9e817a3164895da36cb6dc60b9cdfcd9291dd085ceb8ee059a63eac22bda0c1b9048de81086122249ae1008e11f0722732f3e979309aedccb14ad5310703fe6a4c38cd646f34b566d3b3387c39e6058f15c99eae361a36caeafa1f87b414f46b079ee878beefee80b22087c3fa8c379bfabc2a39f4e2cb0c0e0f5ff0d9ff689e23a4f2df70581ffe027a06a4b5', 'EXECUTION_PLAN');
SELECT pg_catalog.setval('public.asset_check_executions_id_seq', 1, false);
SELECT pg_catalog.setval('public.asset_daemon_asset_evaluations_id_seq', 1, false);
SELECT pg_catalog.setval('public.asset_event_tags_id_seq', 3, true);
SELECT pg_catalog.setval('public.asset_keys_id_seq', 2, true);
SELECT pg_catalog.setval('public.bulk_actions_id_seq', 1, false);
SELECT pg_catalog.setval('public.concurrency_limits_id_seq', 1, false);
SELECT pg_catalog.setval('public.concurrency_slots_id_seq', 1, false);
SELECT pg_catalog.setval('public.daemon_heartbeats_id_seq', 1, false);
SELECT pg_catalog.setval('public.dynamic_partitions_id_seq', 1, true);
SELECT pg_catalog.setval('public.event_logs_id_seq', 14, true);
SELECT pg_catalog.setval('public.instance_info_id_seq', 1, true);
SELECT pg_catalog.setval('public.instigators_id_seq', 1, false);
SELECT pg_catalog.setval('public.job_ticks_id_seq', 1, false);
SELECT pg_catalog.setval('public.jobs_id_seq', 1, false);
SELECT pg_catalog.setval('public.kvs_id_seq', 1, false);
SELECT pg_catalog.setval('public.pending_steps_id_seq', 1, false);
SELECT pg_catalog.setval('public.run_tags_id_seq', 3, true);
SELECT pg_catalog.setval('public.runs_id_seq', 1, true);
SELECT pg_catalog.setval('public.secondary_indexes_id_seq', 8, true);
SELECT pg_catalog.setval('public.snapshots_id_seq', 2, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.asset_check_executions
    ADD CONSTRAINT asset_check_executions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.asset_daemon_asset_evaluations
    ADD CONSTRAINT asset_daemon_asset_evaluations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.asset_event_tags
    ADD CONSTRAINT asset_event_tags_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.asset_keys
    ADD CONSTRAINT asset_keys_asset_key_key UNIQUE (asset_key);
ALTER TABLE ONLY public.asset_keys
    ADD CONSTRAINT asset_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.bulk_actions
    ADD CONSTRAINT bulk_actions_key_key UNIQUE (key);
ALTER TABLE ONLY public.bulk_actions
    ADD CONSTRAINT bulk_actions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.concurrency_limits
    ADD CONSTRAINT concurrency_limits_concurrency_key_key UNIQUE (concurrency_key);
ALTER TABLE ONLY public.concurrency_limits
    ADD CONSTRAINT concurrency_limits_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.concurrency_slots
    ADD CONSTRAINT concurrency_slots_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.daemon_heartbeats
    ADD CONSTRAINT daemon_heartbeats_daemon_type_key UNIQUE (daemon_type);
ALTER TABLE ONLY public.daemon_heartbeats
    ADD CONSTRAINT daemon_heartbeats_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.dynamic_partitions
    ADD CONSTRAINT dynamic_partitions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.event_logs
    ADD CONSTRAINT event_logs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.instance_info
    ADD CONSTRAINT instance_info_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.instigators
    ADD CONSTRAINT instigators_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.instigators
    ADD CONSTRAINT instigators_selector_id_key UNIQUE (selector_id);
ALTER TABLE ONLY public.job_ticks
    ADD CONSTRAINT job_ticks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_job_origin_id_key UNIQUE (job_origin_id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.kvs
    ADD CONSTRAINT kvs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.pending_steps
    ADD CONSTRAINT pending_steps_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.run_tags
    ADD CONSTRAINT run_tags_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_run_id_key UNIQUE (run_id);
ALTER TABLE ONLY public.secondary_indexes
    ADD CONSTRAINT secondary_indexes_name_key UNIQUE (name);
ALTER TABLE ONLY public.secondary_indexes
    ADD CONSTRAINT secondary_indexes_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.snapshots
    ADD CONSTRAINT snapshots_snapshot_id_key UNIQUE (snapshot_id);
CREATE INDEX idx_asset_check_executions ON public.asset_check_executions USING btree (asset_key, check_name, materialization_event_storage_id, partition);
CREATE UNIQUE INDEX idx_asset_check_executions_unique ON public.asset_check_executions USING btree (asset_key, check_name, run_id, partition);
CREATE UNIQUE INDEX idx_asset_daemon_asset_evaluations_asset_key_evaluation_id ON public.asset_daemon_asset_evaluations USING btree (asset_key, evaluation_id);
CREATE INDEX idx_asset_event_tags ON public.asset_event_tags USING btree (asset_key, key, value);
CREATE INDEX idx_asset_event_tags_event_id ON public.asset_event_tags USING btree (event_id);
CREATE INDEX idx_bulk_actions ON public.bulk_actions USING btree (key);
CREATE INDEX idx_bulk_actions_action_type ON public.bulk_actions USING btree (action_type);
CREATE INDEX idx_bulk_actions_selector_id ON public.bulk_actions USING btree (selector_id);
CREATE INDEX idx_bulk_actions_status ON public.bulk_actions USING btree (status);
CREATE UNIQUE INDEX idx_dynamic_partitions ON public.dynamic_partitions USING btree (partitions_def_name, partition);
CREATE INDEX idx_event_type ON public.event_logs USING btree (dagster_event_type, id);
CREATE INDEX idx_events_by_asset ON public.event_logs USING btree (asset_key, dagster_event_type, id) WHERE (asset_key IS NOT NULL);
CREATE INDEX idx_events_by_asset_partition ON public.event_logs USING btree (asset_key, dagster_event_type, partition, id) WHERE ((asset_key IS NOT NULL) AND (partition IS NOT NULL));
CREATE INDEX idx_events_by_run_id ON public.event_logs USING btree (run_id, id);
CREATE INDEX idx_job_tick_status ON public.job_ticks USING btree (job_origin_id, status);
CREATE INDEX idx_job_tick_timestamp ON public.job_ticks USING btree (job_origin_id, "timestamp");
CREATE UNIQUE INDEX idx_kvs_keys_unique ON public.kvs USING btree (key);
CREATE UNIQUE INDEX idx_pending_steps ON public.pending_steps USING btree (concurrency_key, run_id, step_key);
CREATE INDEX idx_run_partitions ON public.runs USING btree (partition_set, partition);
CREATE INDEX idx_run_range ON public.runs USING btree (status, update_timestamp, create_timestamp);
CREATE INDEX idx_run_status ON public.runs USING btree (status);
CREATE INDEX idx_run_tags ON public.run_tags USING btree (key, value);
CREATE INDEX idx_runs_by_job ON public.runs USING btree (pipeline_name, id);
CREATE INDEX idx_step_key ON public.event_logs USING btree (step_key);
CREATE INDEX idx_tick_selector_timestamp ON public.job_ticks USING btree (selector_id, "timestamp");
CREATE INDEX ix_asset_daemon_asset_evaluations_evaluation_id ON public.asset_daemon_asset_evaluations USING btree (evaluation_id);
CREATE INDEX ix_instigators_instigator_type ON public.instigators USING btree (instigator_type);
CREATE INDEX ix_job_ticks_job_origin_id ON public.job_ticks USING btree (job_origin_id);
CREATE INDEX ix_jobs_job_type ON public.jobs USING btree (job_type);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT fk_runs_snapshot_id_snapshots_snapshot_id FOREIGN KEY (snapshot_id) REFERENCES public.snapshots(snapshot_id);
ALTER TABLE ONLY public.run_tags
    ADD CONSTRAINT run_tags_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.runs(run_id) ON DELETE CASCADE;
