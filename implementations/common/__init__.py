"""What every implementation needs: data, backbones, training, records, the command line."""
