ALTER TABLE clustering_data_planes ADD COLUMN IF NOT EXISTS cert_details JSONB;
