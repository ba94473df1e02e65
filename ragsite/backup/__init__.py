"""Backs up and restores an installation: database, files, and what belongs to them in the data directory.

A backup is written while people work, in this order:

1. The backup takes an advisory lock. From now on, a file that is deleted is held (core.files.discard).
2. It opens a snapshot of the database and dumps that. Which files belong to the backup is read from the same snapshot.
3. It copies these files. One that is no longer in its place is among the held ones. What was stored after the snapshot
   is not copied: its row is not in the dump either.
4. It writes the manifest, which makes the backup complete, and releases the lock. Held files are deleted.

A restore changes nothing that is there until everything has arrived: it fills a second database, copies the files,
and exchanges the databases at the end.
"""
