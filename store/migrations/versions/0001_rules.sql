-- The application's role: it reads and writes rows, owns nothing, and may not change or remove what is in the audit chain.
DO $$ BEGIN
    CREATE ROLE nightlight_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another database of this server has it already
END $$;

GRANT nightlight_app TO CURRENT_USER;
GRANT USAGE ON SCHEMA public TO nightlight_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO nightlight_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO nightlight_app;
REVOKE UPDATE, DELETE ON audit FROM nightlight_app;
REVOKE UPDATE, DELETE ON provider_changes FROM nightlight_app;
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM nightlight_app;

-- Not even the owner changes the chain by accident.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'the audit chain is append-only';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The chain's last entry, held for the caller until the transaction ends. One round trip for the lock and the look, because
-- each statement in here sees what is newest: outside, the look would have to wait for a statement of its own.
CREATE FUNCTION hold_audit() RETURNS TABLE (entry bigint, hash bytea) LANGUAGE plpgsql VOLATILE AS $$ BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit/chain', 0));
    RETURN QUERY SELECT audit.entry, audit.hash FROM audit ORDER BY audit.entry DESC LIMIT 1;
END $$;

-- A state never moves backwards: the same table as schemas.pages.NEXT_STATES, and a test holds them together.
-- A page that opens again says when: no slip of a statement takes an acceptance away.
CREATE FUNCTION page_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF OLD.state = NEW.state THEN RETURN NEW; END IF;
    IF OLD.state IN ('accepted', 'contact') AND NEW.state = 'open' AND NEW.reopened_at > coalesce(OLD.reopened_at, '-infinity')
    THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('open', 'accepted'), ('open', 'withdrawn'), ('open', 'expired'),
        ('accepted', 'contact'), ('accepted', 'closed'), ('accepted', 'withdrawn'), ('accepted', 'expired'),
        ('contact', 'closed'), ('contact', 'withdrawn')
    ) THEN
        RAISE EXCEPTION 'a page does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER page_moves_forward BEFORE UPDATE OF state ON pages FOR EACH ROW EXECUTE FUNCTION page_moves_forward();

CREATE FUNCTION attempt_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF OLD.state = NEW.state THEN RETURN NEW; END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('pending', 'sending'), ('pending', 'dropped'), ('pending', 'failed'),
        ('sending', 'sent'), ('sending', 'delivered'), ('sending', 'failed'), ('sending', 'undelivered'), ('sending', 'unknown'),
        ('unknown', 'sent'), ('unknown', 'delivered'), ('unknown', 'failed'), ('unknown', 'undelivered'),
        ('sent', 'delivered'), ('sent', 'failed'), ('sent', 'undelivered')
    ) THEN
        RAISE EXCEPTION 'an attempt does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attempt_moves_forward BEFORE UPDATE OF state ON attempts FOR EACH ROW EXECUTE FUNCTION attempt_moves_forward();

-- Whoever waits is woken: the pager by a due attempt or an earlier step, the workers by a change of the list.
-- A claim tells nobody: transactions that notify commit one after the other, and nobody waits for this one.
CREATE FUNCTION wake() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_notify(TG_ARGV[0], coalesce(TG_ARGV[1], ''));
    RETURN NULL;
END $$;
CREATE TRIGGER attempt_written AFTER INSERT ON attempts FOR EACH STATEMENT EXECUTE FUNCTION wake('nightlight_pages', 'due');
CREATE TRIGGER attempt_settled AFTER UPDATE OF state, passed_at ON attempts FOR EACH ROW
    WHEN (NEW.state <> 'sending' OR NEW.passed_at IS NOT NULL) EXECUTE FUNCTION wake('nightlight_pages');
CREATE TRIGGER page_changed AFTER INSERT OR UPDATE OF state, next_step_at ON pages FOR EACH STATEMENT EXECUTE FUNCTION wake('nightlight_pages');
CREATE TRIGGER children_changed AFTER INSERT ON children_changes FOR EACH STATEMENT EXECUTE FUNCTION wake('nightlight_children');

-- A match is undone by one more row, never by a change. Rows leave only with the child whom they are about, when it is erased.
REVOKE UPDATE, TRUNCATE ON matches FROM nightlight_app;
CREATE FUNCTION refuse_other_match() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'a match is never changed: undo it with one more row';
END $$;
CREATE TRIGGER matches_are_never_changed BEFORE UPDATE ON matches FOR EACH ROW EXECUTE FUNCTION refuse_other_match();
CREATE TRIGGER exclusion_written AFTER INSERT OR UPDATE ON exclusions FOR EACH STATEMENT EXECUTE FUNCTION wake('nightlight_children');
