-- The roles of each service that owns tables, and the schema that it works in. Runs as a superuser,
-- or as a role with CREATEROLE that may make schemas in the database that the services share, with
-- the services' programs stopped or not; may run again, and brings what an earlier one made up to
-- this. Passwords are set apart from this.
--
-- Two roles each (semantics 9.6): `weir_…_owner` owns the schema and its tables; nobody logs in as
-- it (but on Citus: see below). `weir_…` is what the service connects as: it reads and writes rows, and is bound by the
-- policies of the tables. Migrations and partitions it makes as the owner (SET ROLE), whose rights
-- it does not have otherwise (NOINHERIT).
DO $$
DECLARE
    service text;
    login text;
    owner text;
    is_super boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
    setting text;
BEGIN
    FOREACH service IN ARRAY ARRAY['mapping', 'contact', 'activity', 'audience'] LOOP
        login := 'weir_' || service;
        owner := login || '_owner';
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = owner) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', owner);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', login);
            EXECUTE format('ALTER ROLE %I SET search_path = %I', login, service);
        END IF;
        -- Asked for only where it changes something: who is no superuser may not.
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = login AND rolinherit) THEN
            EXECUTE format('ALTER ROLE %I NOINHERIT', login);
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = login AND rolbypassrls) THEN
            EXECUTE format('ALTER ROLE %I NOBYPASSRLS', login);
        END IF;
        EXECUTE format('GRANT %I TO %I', owner, login);
        IF NOT is_super THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', owner);
        END IF;
        -- What a connection asks for itself as well, unless a pooler keeps it back.
        EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', login, '7s');
        FOREACH setting IN ARRAY CASE service
            WHEN 'mapping' THEN ARRAY[]::text[]
            WHEN 'activity' THEN ARRAY['enable_seqscan']
            ELSE ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']
        END LOOP
            EXECUTE format('ALTER ROLE %I SET %I = off', login, setting);
        END LOOP;
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, owner);
        -- Of a time when the service's role owned what is there.
        IF EXISTS (SELECT FROM pg_shdepend s JOIN pg_database d ON d.datname = current_database()
                   WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
                     AND s.refobjid = login::regrole AND s.dbid IN (0, d.oid)) THEN
            EXECUTE format('REASSIGN OWNED BY %I TO %I', login, owner);
        END IF;
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', service);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', service, login);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO %I',
                       service, login);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I '
                       'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I',
                       owner, service, login);
        -- Workers see neither a connection's settings nor, unless it is passed on, whose rows a
        -- transaction is for.
        IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
            EXECUTE format('ALTER ROLE %I SET citus.propagate_set_commands = local', login);
            -- As whom Citus makes tables on the workers: it has no password, so that whoever knows
            -- none of the nodes' own ways in does not come in as it.
            IF NOT (SELECT rolcanlogin FROM pg_roles WHERE rolname = owner) THEN
                EXECUTE format('ALTER ROLE %I LOGIN', owner);
            END IF;
        END IF;
    END LOOP;
END
$$;

-- Nobody makes anything beside the schemas. (Only its owner may say so, and most have said so.)
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
               WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
END
$$;
