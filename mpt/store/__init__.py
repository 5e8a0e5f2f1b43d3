"""Keep units of work: home, ledger, leases, prompt files. The only room that imports sqlalchemy."""
