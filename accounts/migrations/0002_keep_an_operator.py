"""A trigger that refuses each change after which no operator could log in. accounts/operators.py has its names."""

from django.db import migrations

CREATE = r"""
CREATE FUNCTION accounts_keep_an_operator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Concurrent changes wait here, and the query below sees what they committed (READ COMMITTED).
    PERFORM pg_advisory_xact_lock(7245031181);
    IF NOT EXISTS (
        SELECT FROM accounts_user
        WHERE is_active AND is_superuser AND password <> '' AND password NOT LIKE '!%'
    ) THEN
        RAISE EXCEPTION 'No operator could log in after this change'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'an_operator_remains',
                HINT = 'Make another user an operator with a password first.';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER accounts_keep_an_operator_changed
AFTER UPDATE OF is_active, is_superuser, password ON accounts_user FOR EACH ROW
WHEN (
    OLD.is_active AND OLD.is_superuser AND OLD.password <> '' AND OLD.password NOT LIKE '!%'
    AND NOT (NEW.is_active AND NEW.is_superuser AND NEW.password <> '' AND NEW.password NOT LIKE '!%')
) EXECUTE FUNCTION accounts_keep_an_operator();

CREATE TRIGGER accounts_keep_an_operator_deleted
AFTER DELETE ON accounts_user FOR EACH ROW
WHEN (OLD.is_active AND OLD.is_superuser AND OLD.password <> '' AND OLD.password NOT LIKE '!%')
EXECUTE FUNCTION accounts_keep_an_operator();
"""
DROP = """
DROP TRIGGER accounts_keep_an_operator_changed ON accounts_user;
DROP TRIGGER accounts_keep_an_operator_deleted ON accounts_user;
DROP FUNCTION accounts_keep_an_operator();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
