-- The roles of each service that owns tables, and the schema that it works in. Runs as the
-- superuser, in the database that the services share, with the services' programs stopped or not;
-- may run again, and brings what an earlier one made up to this. Passwords are set apart from this.
--
-- Two roles each (semantics 9.6): `weir_…_owner` owns the schema and its tables; nobody logs in as
-- it. `weir_…` is what the service connects as: it reads and writes rows, and is bound by the
-- policies of the tables. Migrations and partitions it makes as the owner (SET ROLE), whose rights
-- it does not have otherwise (NOINHERIT).
DO $$
DECLARE
    service text;
    login text;
    owner text;
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
        EXECUTE format('ALTER ROLE %I NOINHERIT NOBYPASSRLS', login);
        EXECUTE format('GRANT %I TO %I', owner, login);
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, owner);
        -- Of a time when the service's role owned what is there.
        EXECUTE format('REASSIGN OWNED BY %I TO %I', login, owner);
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
            EXECUTE format('ALTER ROLE %I SET enable_seqscan = off', login);
        END IF;
    END LOOP;
END
$$;

-- Nobody makes anything beside the schemas.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
