"""What every reason word says, in plain English, a file per part of `sidecar.domain.reason`. Read by `web.texts`."""
