//! The options that an instance was launched with: processor, metadata service, capacity, licences, accelerators.

use crate::kinds::fields::{Fields, mapped};

mapped!(|options: CpuOptions| {
    Fields::new()
        .int("CoreCount", options.core_count)
        .int("ThreadsPerCore", options.threads_per_core)
        .code("AmdSevSnp", options.amd_sev_snp)
        .code("NestedVirtualization", options.nested_virtualization)
});

mapped!(|response: InstanceMetadataOptionsResponse| {
    Fields::new()
        .code("State", response.state)
        .code("HttpTokens", response.http_tokens)
        .int("HttpPutResponseHopLimit", response.http_put_response_hop_limit)
        .code("HttpEndpoint", response.http_endpoint)
        .code("HttpProtocolIpv6", response.http_protocol_ipv6)
        .code("InstanceMetadataTags", response.instance_metadata_tags)
});

mapped!(|options: EnclaveOptions| Fields::new().flag("Enabled", options.enabled));

mapped!(|options: HibernationOptions| Fields::new().flag("Configured", options.configured));

mapped!(|options: InstanceMaintenanceOptions| {
    Fields::new().code("AutoRecovery", options.auto_recovery).code("RebootMigration", options.reboot_migration)
});

mapped!(|response: CapacityReservationSpecificationResponse| {
    Fields::new()
        .code("CapacityReservationPreference", response.capacity_reservation_preference)
        .map("CapacityReservationTarget", response.capacity_reservation_target)
});

mapped!(|response: CapacityReservationTargetResponse| {
    Fields::new()
        .text("CapacityReservationId", response.capacity_reservation_id)
        .text("CapacityReservationResourceGroupArn", response.capacity_reservation_resource_group_arn)
});

mapped!(|configuration: LicenseConfiguration| {
    Fields::new().text("LicenseConfigurationArn", configuration.license_configuration_arn)
});

mapped!(|association: ElasticGpuAssociation| {
    Fields::new()
        .text("ElasticGpuId", association.elastic_gpu_id)
        .text("ElasticGpuAssociationId", association.elastic_gpu_association_id)
        .text("ElasticGpuAssociationState", association.elastic_gpu_association_state)
        .text("ElasticGpuAssociationTime", association.elastic_gpu_association_time)
});

mapped!(|association: ElasticInferenceAcceleratorAssociation| {
    Fields::new()
        .text("ElasticInferenceAcceleratorArn", association.elastic_inference_accelerator_arn)
        .text("ElasticInferenceAcceleratorAssociationId", association.elastic_inference_accelerator_association_id)
        .text(
            "ElasticInferenceAcceleratorAssociationState",
            association.elastic_inference_accelerator_association_state,
        )
        .time("ElasticInferenceAcceleratorAssociationTime", association.elastic_inference_accelerator_association_time)
});
