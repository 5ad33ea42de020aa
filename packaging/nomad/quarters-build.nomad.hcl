# The parametrised job of a builder whose executor is `nomad`: each build is one dispatch of it.
#
#     nomad job run quarters-build.nomad.hcl
#     nomad var put nomad/jobs/quarters-build token=qt_…
#
# The token is that of the builder that dispatches, made by `quarters token create NAME --scope builder`. What a dispatch
# carries holds no token, since everybody sees it who may read the job.

job "quarters-build" {
  type = "batch"

  parameterized {
    payload       = "required"
    meta_required = ["build", "pkgbase"]
  }

  group "build" {
    # A build that was lost is given out anew by Quarters, and only by Quarters.
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "build" {
      # Builds are isolated by Quarters, which needs root for that, bubblewrap and pacman on the client.
      driver = "raw_exec"

      config {
        command = "quarters"
        args    = ["builder", "--once", "${NOMAD_TASK_DIR}/handover.json", "--executor", "sandbox"]
      }

      dispatch_payload {
        file = "handover.json"
      }

      template {
        destination = "${NOMAD_SECRETS_DIR}/token"
        perms       = "0600"
        data        = "{{ with nomadVar \"nomad/jobs/quarters-build\" }}{{ .token }}{{ end }}"
      }

      env {
        QUARTERS_BUILDER__TOKEN_FILE = "${NOMAD_SECRETS_DIR}/token"
      }

      # SIGTERM hands the build back.
      kill_signal  = "SIGTERM"
      kill_timeout = "60s"

      resources {
        cores  = 2
        memory = 4096
      }
    }
  }
}
